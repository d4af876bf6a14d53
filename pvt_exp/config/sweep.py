"""Sweep: a base run, what varies, and the seeds."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pvt_exp.config import DOTTED, Frozen
from pvt_exp.config.ambiguous import CHECKED_LATER
from pvt_exp.config.component import kinds, one_of
from pvt_exp.config.match import Match
from pvt_exp.config.space import Tune


def _plain(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name is a line of plain text")
    return name


Changes = Annotated[dict[str, Any], CHECKED_LATER, WithJsonSchema({DOTTED: "changes"})]
"""Dotted field to new value; a mapping with `kind` replaces a component."""
Name = Annotated[str, AfterValidator(_plain)]
"""Of an axis, a choice, a step or a variant: it stands in tables, in messages and after ``--only``."""
References = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
"""Of published figures: ``v1/table2/PVT-Small``, or a list of such; see `pvt_exp.plan.published`."""
Choices = Annotated[dict[Name, Changes], Field(min_length=1)]
Axes = Annotated[dict[Name, Choices], Field(min_length=1)]


class Block(Frozen):
    """One way to spell variants. A block has exactly one of these keys; several blocks add up."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    product: Axes | None = None
    """Every combination of the axes' choices."""
    zip: Axes | None = None
    """The first choices of all axes together, then the second ones, and so on."""
    one_at_a_time: Axes | None = None
    """The base, and each single change to it: the usual ablation table."""
    cumulative: Choices | None = None
    """Each step on top of the ones before: the usual table of a method's parts."""
    variants: Choices | None = None
    """Changes to the base, each with a name."""

    @model_validator(mode="after")
    def _one_key(self) -> "Block":
        if len(self.model_fields_set) != 1 or getattr(self, *self.model_fields_set) is None:
            raise ValueError("a block has exactly one key of " + ", ".join(type(self).model_fields))
        if self.zip and len({len(choices) for choices in self.zip.values()}) > 1:
            lengths = ", ".join(f"{axis} has {len(choices)}" for axis, choices in self.zip.items())
            raise ValueError(f"zip needs axes of one length: {lengths}")
        return self


class StopIfFirst(Frozen):
    """Stop a sweep that is wrong from the start."""

    stop_if_first: int = Field(ge=1)
    """So many runs, the first to end, have no result."""


class Policy(Frozen):
    """What is done about runs that do not end well."""

    on_error: Literal["continue", "stop"] | StopIfFirst = "continue"
    """When a run fails, runs out of memory or hangs: go on with the others; ``stop``, with checkpoints; or
    ``{stop_if_first: 3}``: stop if the first so many runs all end without a result."""
    retries: int = Field(2, ge=0)
    """How often a run that was killed (kill -9, a lost loader process) without a checkpoint is tried again at once."""
    stall_minutes: float = Field(30.0, gt=0)
    """A run that makes no step for so long has hung: it is ended, as ``timed_out``."""


class Sweep(Policy):
    """A base run, what varies, and the seeds: the question being asked."""

    base: str
    """The experiment that variants are changes of, relative to this file."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (0,), min_length=1, json_schema_extra={"uniqueItems": True}
    )
    """Every variant is trained once with each."""
    blocks: tuple[Block, ...] = Field(min_length=1)
    where: str | None = None
    """Keeps the variants for which this holds, for instance ``backbone.depths[2] <= 6 and optim.lr < base.optim.lr``."""
    match: Match | None = None
    """Scales a field of each row to the base's cost; none: rows stay as they are written."""
    tune: Tune | None = None
    """Settings that are chosen for each variant by trials before it is trained; none: all are as written."""
    published: dict[str, References] = Field({})
    """What papers and others have published of a row: its name (``PVT-Small``, ``PVT-Small, 1x`` or ``axis choice``) to
    references (``v1/table2/PVT-Small``), which ``pvt-exp published`` lists. No part of a run."""
    strict: bool = False
    """Refuse rows whose recipe differs from the base's in more than what they study."""
    launcher: one_of("launchers", usual="local") = kinds("launchers")["local"]()  # type: ignore[valid-type]

    @field_validator("seeds", mode="before")
    @classmethod
    def _no_span(cls, value: Any) -> Any:
        """``--seeds`` takes spans, and YAML does not."""
        for word in value if isinstance(value, list | tuple) else (value,):
            if isinstance(word, str) and (span := re.fullmatch(r"\s*(\d{1,4})\s*-\s*(\d{1,4})\s*", word, re.ASCII)):
                numbers = [*range(int(span[1]), int(span[2]) + 1)][:5] or [0, 1]
                raise ValueError(f"write the numbers in a list, such as {numbers}, not {word!r}")
        return value
