"""`match` of a sweep: what every row is to cost, and which field is scaled for it."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator

from pvt_exp.config import DOTTED, Frozen

_PART = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "string", "pattern": r"^\s*([0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)\s*%\s*$"},
    ]
}
_FIELDS = {"anyOf": [{DOTTED: "numbers"}, {"type": "array", "items": {DOTTED: "numbers"}, "minItems": 1}]}


class Match(Frozen):
    """Bring every row to the base's cost, by its width or its depth."""

    cost: Literal["params", "macs", "memory"]
    """What is to be equal: parameters, multiply-accumulates, or the bytes of a training step."""
    within: Annotated[float, Field(gt=0, lt=1), WithJsonSchema(_PART)]
    """How far from the base's it may stay, as a part of it: ``2%`` or 0.02."""
    by: Annotated[tuple[str, ...], Field(min_length=1), WithJsonSchema(_FIELDS)] | None = None
    """The field that is scaled, a whole number or a list of them: ``backbone.embed_dims``, ``backbone.depths``. Of several
    the first that a row has. Left out: the width of each row's backbone, as its kind knows it."""

    @field_validator("within", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            try:
                return float(value.strip()[:-1]) / 100
            except ValueError:
                return value
        return value

    @field_validator("by", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
