"""Report: a page of tables, as its file says it."""

from typing import Any

from pydantic import Field, model_validator

from pvt_exp.config import Frozen
from pvt_exp.config.component import one_of
from pvt_exp.tables import USUAL


def _kind_may_be_left_out(schema: dict[str, Any]) -> None:
    schema["items"].pop("required")


class Report(Frozen):
    """A page of tables."""

    title: str | None = None
    tables: tuple[one_of("tables"), ...] = Field(min_length=1, json_schema_extra=_kind_may_be_left_out)  # type: ignore[valid-type]

    @model_validator(mode="before")
    @classmethod
    def _usual_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("tables"), tuple):
            return value
        tables = (
            {"kind": USUAL, **each} if isinstance(each, dict) and "kind" not in each else each
            for each in value["tables"]
        )
        return {**value, "tables": tuple(tables)}
