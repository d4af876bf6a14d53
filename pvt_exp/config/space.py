"""What is tuned inside each variant of a sweep, and with what budget: the same for all of them."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from pvt_exp.config import DOTTED, DataError, Frozen
from pvt_exp.system.seeds import derive

Number = int | float
FINEST = 1e-15
"""Of a range, the least step: finer ones give numbers that cannot be told apart."""
MOST_TRIALS = 100_000
EDGE = 0.05
"""The part of a range, on the scale it is drawn on, that counts as its end."""


class Values(Frozen):
    """What a field may be: numbers from ``low`` to ``high``, or one of some ``choices``."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["low", "high"], "properties": {"low": {"type": "number"}, "high": {"type": "number"}}},
                {"required": ["choices"], "properties": {"choices": {"minItems": 2, "uniqueItems": True}}},
            ]
        }
    )

    low: Number | None = None
    high: Number | None = None
    """The outermost values, both included; only whole numbers in between where both are written so."""
    log: bool = False
    """Draw on a logarithmic scale, as learning rates want it."""
    step: Number | None = Field(None, gt=0)
    """Only every such number, counted from ``low``; what a grid needs."""
    choices: tuple[str | bool | Number | None, ...] = ()
    """In no order."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "Values":
        if self.choices:
            if extra := self.model_fields_set - {"choices"}:
                raise ValueError(f"choices and {', '.join(sorted(extra))} exclude each other")
            if len({repr(each) for each in self.choices}) < len(self.choices) or len(self.choices) < 2:
                raise ValueError("choices must be two or more, each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("write low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic scale has no {self.low}: low must be above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        if self.step is not None and self.step / FINEST < self.high - self.low:
            raise ValueError(
                f"step {self.step:g} is too small: nothing tells its values from {self.low} to {self.high} apart"
            )
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The outermost values, or every choice."""
        return self.choices or (self.low, self.high)

    def edge(self, value: Any) -> Literal["low", "high"] | None:
        """At which end of the range a value is: its last one, or in the last part (`EDGE`) of where it was drawn from.

        None for a value in between, and for choices that are no numbers or only two, which have no range.
        """
        least = most = None
        if self.choices:
            numbers = [each for each in self.choices if isinstance(each, Number) and not isinstance(each, bool)]
            if len(numbers) < max(3, len(self.choices)):
                return None
            least, most = min(numbers), max(numbers)
        elif self.count is not None:
            least, most = self._cell(0), self._cell(self.count - 1)
        if least is not None and most is not None:
            return "low" if math.isclose(value, least) else "high" if math.isclose(value, most) else None
        assert self.low is not None
        assert self.high is not None
        low, high, at = map(math.log if self.log else float, (self.low, self.high, value))
        part = (at - low) / (high - low)
        return "low" if part <= EDGE else "high" if part >= 1 - EDGE else None

    @property
    def count(self) -> int | None:
        """How many values there are; None where there is no end of them."""
        if self.choices:
            return len(self.choices)
        if self._step is None or self.log:
            return None
        assert self.low is not None
        assert self.high is not None
        if self.whole and isinstance(self._step, int):
            return int(self.high - self.low) // self._step + 1
        return int((self.high - self.low) / self._step + 1e-9) + 1

    def cells(self) -> Iterator[Any]:
        """Every value there is, one after the other; none where there is no end of them."""
        return iter(self.choices) if self.choices else map(self._cell, range(self.count or 0))

    @property
    def _step(self) -> Number | None:
        return self.step or (1 if self.whole else None)

    def _cell(self, number: int) -> Number:
        assert self.low is not None
        assert self._step is not None
        return self.low + number * self._step


class Holdout(Frozen):
    """A part of the training images that the run does not learn from and is scored on, in place of the validation split."""

    fraction: float = Field(0.1, gt=0, lt=1)
    """Of the training images."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the choice; it is not the run's, so that all seeds are scored on the same images."""

    def held(self, images: int) -> int:
        """How many of so many training images are held out.

        Raises:
            DataError: if that is none or all.
        """
        number = round(images * self.fraction)
        if not 0 < number < images:
            raise DataError(f"holdout.fraction {self.fraction} of {images} training images leaves a part without any")
        return number

    def places(self, images: int) -> tuple[list[int], list[int]]:
        """The training images that stay and those that are held out, each in the data's order.

        They follow from the number of images, the fraction and the seed: runs of all seeds hold out the same.

        Raises:
            DataError: if one of the two is empty.
        """
        import numpy as np

        number = self.held(images)
        order = np.random.default_rng(derive(self.seed, "holdout")).permutation(images)
        return sorted(order[number:].tolist()), sorted(order[:number].tolist())


class Tune(Frozen):
    """Trials inside every variant: the same space and number for each, scored on training images that are held out.

    The best setting of a variant is then trained with the sweep's seeds, and only those runs are in its table.
    """

    space: dict[str, Values] = Field(min_length=1, json_schema_extra={DOTTED: "space"})
    """Dotted field to ``{low, high, log, step}`` or ``{choices: [...]}``."""
    trials: int = Field(ge=1, le=MOST_TRIALS)
    """Of each variant."""
    sampler: Literal["tpe", "random", "cmaes", "grid"] = "tpe"
    """How settings are proposed: Optuna's TPE (Bergstra et al. 2011), at random, CMA-ES, or every one of a grid."""
    metric: str | None = Field(None, min_length=1)
    """The metric that trials are scored by, any of the task's; none: its first one."""
    pruner: Literal["median", "hyperband"] | None = None
    """Ends trials that do worse than others of the same variant did at that epoch; none: every trial ends by itself."""
    holdout: Holdout = Holdout()
    """What trials are scored on."""
    seed: int = Field(10_000, ge=0, lt=2**32)
    """Of all trials and of the sampler; none of the sweep's."""
    storage: str | None = Field(None, min_length=1)
    """A database's URL, as Optuna takes it, where studies are kept for its dashboard; none: a file beside the runs."""

    @model_validator(mode="after")
    def _cmaes_has_a_plane(self) -> "Tune":
        numbers = [name for name, values in self.space.items() if not values.choices]
        if self.sampler == "cmaes" and (len(numbers) < 2 or len(numbers) < len(self.space)):
            raise ValueError("sampler cmaes searches two or more numeric fields and no choices; the others take any")
        return self

    @model_validator(mode="after")
    def _the_grid_is_whole(self) -> "Tune":
        if self.sampler != "grid":
            return self
        counts = {name: values.count for name, values in self.space.items()}
        if endless := [name for name, count in counts.items() if count is None]:
            raise ValueError(f"a grid over {endless[0]} needs choices, whole numbers or a step")
        cells = math.prod(count or 0 for count in counts.values())
        if cells > MOST_TRIALS:
            raise ValueError(f"this grid has {cells:,} settings, and no more than {MOST_TRIALS:,} are tried")
        if self.trials != cells:
            raise ValueError(f"trials {self.trials}: this grid has {cells} settings, and each is one trial")
        return self

    def grid(self) -> list[dict[str, Any]]:
        """Every setting of the space."""
        cells = [values.cells() for values in self.space.values()]
        return [dict(zip(self.space, each, strict=True)) for each in product(*cells)]


def at_edge(space: Mapping[str, Values], chosen: Mapping[str, Any]) -> dict[str, Literal["low", "high"]]:
    """The fields whose chosen value is at an end of its range, and at which: better ones may lie beyond."""
    found = {name: values.edge(chosen[name]) for name, values in space.items() if name in chosen}
    return {name: end for name, end in found.items() if end is not None}


def edge_in_words(chosen: Mapping[str, Any], edges: Mapping[str, str]) -> str:
    """``optim.lr 0.0099 is at the upper end of its range; better values may lie beyond``; empty where none is."""
    ends = {"low": "lower", "high": "upper"}
    told = [f"{in_words({name: chosen[name]})} is at the {ends[end]} end of its range" for name, end in edges.items()]
    return f"{', '.join(told)}; better values may lie beyond" if told else ""


def in_words(values: Mapping[str, Any]) -> str:
    """``optim.lr 0.00123, backbone.drop_path 0.1``."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
