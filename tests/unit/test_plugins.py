"""Kinds of other packages: what they declare is checked. What processes make of them: tests/e2e/test_packages.py."""

import re
import signal
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from pvt_exp.backbones import pvt, timm
from pvt_exp.cli.json_schema import WithHover
from pvt_exp.config import Frozen, component
from pvt_exp.config.metrics import Metric
from pvt_exp.detectors import mask_rcnn
from pvt_exp.system import signals
from pvt_exp.tasks import Task, classification
from tests.conftest import ROOT


def test_signals_that_come_are_counted_and_handled_as_before() -> None:
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    with pytest.raises(KeyboardInterrupt), signals.counting_interrupts() as came:
        signal.raise_signal(signal.SIGINT)
    assert came == [signal.SIGINT]
    with signals.counting_interrupts() as came, pytest.raises(KeyboardInterrupt):
        raise KeyboardInterrupt
    assert came == []
    assert signal.signal(signal.SIGINT, outside) is signal.default_int_handler


def test_the_groups_are_those_that_have_kinds() -> None:
    """Each group that a field is of is one, and each has at least one kind."""
    text = "".join(path.read_text() for path in (ROOT / "pvt_exp").rglob("*.py"))
    assert set(re.findall(r'(?:one_of|kinds)\("(\w+)"[,)]', text)) == set(component.GROUPS)
    assert all(map(component.kinds, component.GROUPS))


GOOD = Metric("top1", "top-1", "%", True)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (["top1"], "must be a tuple of Metric, not list"),
        (("top1",), "entry 0 must be a pvt_exp.config.metrics.Metric, not str"),
        (None, "must be a tuple of Metric, not NoneType"),
        ((GOOD, replace(GOOD, name="x", title=None)), "entry 1: name, title and unit must be text of one line"),
        ((replace(GOOD, unit=None),), "entry 0: name, title and unit must be text of one line"),
        ((replace(GOOD, name=1),), "entry 0: name, title and unit must be text of one line"),
        ((replace(GOOD, title="a\nb"),), "entry 0: name, title and unit must be text of one line"),
        *(
            (
                (replace(GOOD, name=name),),
                f"a metric is called {name!r}; a name is text of one line, without spaces at its ends",
            )
            for name in ("", " ", "a\nb", "a\tb", "a\x1b[31m", "top1 ")
        ),
        (
            (replace(GOOD, larger_is_better="yes"),),
            "metric top1: larger_is_better must be True, False or None, not 'yes'",
        ),
        (KeyError("boom"), "KeyError: 'boom'"),
    ],
)
def test_what_a_task_declares_is_checked(declared: Any, why: str) -> None:
    class Settings(classification.Settings):
        kind: Literal["declares"] = "declares"  # type: ignore[assignment]

        @property
        def declared(self) -> Any:
            if isinstance(declared, Exception):
                raise declared
            return declared

    with pytest.raises(ValidationError) as told:
        Settings(num_classes=4)
    assert told.value.errors()[0]["msg"].endswith(f"the property 'declared' of kind declares: {why}")


@pytest.mark.parametrize("how", ["post_init", "validator", "whole"])
def test_a_check_that_raises_anything_is_an_error_of_its_field(how: str) -> None:
    class Settings(pvt.Settings):
        kind: Literal["raises"] = "raises"  # type: ignore[assignment]
        extra: int = 1

        def model_post_init(self, context: Any) -> None:
            if how == "post_init" and self.extra > 1:
                raise KeyError("wide")

        @field_validator("extra")
        @classmethod
        def _one(cls, value: int) -> int:
            if how == "validator" and value > 1:
                raise KeyError("wide")
            return value

        @model_validator(mode="after")
        def _both(self) -> "Settings":
            if how == "whole" and self.extra > 1:
                raise KeyError("wide")
            return self

    class Holder(Frozen):
        backbone: Annotated[Settings | timm.Settings, Field(discriminator="kind")]

    assert Holder.model_validate({"backbone": {"kind": "raises"}}).backbone == Settings()
    assert Holder(backbone=Settings()).model_dump()["backbone"]["extra"] == 1
    made = Holder.model_json_schema(schema_generator=WithHover)["$defs"]
    assert any("extra" in each["properties"] for each in made.values())
    with pytest.raises(ValidationError) as told:
        Holder.model_validate({"backbone": {"kind": "raises", "extra": 2}})
    (error,) = told.value.errors()
    assert error["loc"][:2] == ("backbone", "raises")
    assert error["msg"].endswith("its settings cannot be checked: KeyError: 'wide'")


def test_our_own_components_are_checked_once_and_their_faults_are_not_another_packages() -> None:
    every = [each for group in component.GROUPS for each in component.kinds(group).values()]
    ours = [each for each in every if each.__module__.startswith("pvt_exp.")]
    checks = {each: each.__pydantic_core_schema__["function"]["function"].func for each in ours}  # type: ignore[typeddict-item]
    assert len(ours) > 10
    assert {each for each, check in checks.items() if check is not component._checked_once} == set()


def test_a_package_that_adds_a_kind_to_a_group_of_one_leaves_what_was_written_without_a_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other(mask_rcnn.Settings):
        kind: Literal["other"] = "other"  # type: ignore[assignment]

    every = {**component.kinds("detectors"), "other": Other}
    monkeypatch.setattr(component, "kinds", {"detectors": every}.__getitem__)

    class Holder(Frozen):
        detector: component.one_of("detectors", task="instance", usual="mask_rcnn")  # type: ignore[valid-type]

    made = [Holder.model_validate({"detector": each}).detector for each in ({"mask_width": 8}, {"kind": "other"})]
    assert [type(each) for each in made] == [mask_rcnn.Settings, Other]
    assert Holder(detector=Other()).detector == Other()
    with pytest.raises(ValidationError, match="retinanet"):
        Holder.model_validate({"detector": {"kind": "retinanet"}})


def test_a_value_error_of_a_packages_declaration_is_told_with_the_packages_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Settings(Task):
        kind: Literal["declares"] = "declares"

        @property
        def declared(self) -> Any:
            raise ValueError("boom")

    made = component.Origin("tasks", "declares", "pvt-odd", "1.0", "odd")
    monkeypatch.setitem(component._ORIGINS, Settings, made)
    with pytest.raises(ValidationError) as told:
        Settings()
    why = "package pvt-odd 1.0: the property 'declared' of kind declares: ValueError: boom"
    assert told.value.errors()[0]["msg"].endswith(why)
