"""`pvt-exp models`: every backbone that has a name, of other packages too; one that cannot be counted is told."""

import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Literal

import pytest
from rich.console import Console

from pvt_exp.backbones import Backbone
from pvt_exp.cli.views import models
from pvt_exp.config.run import Run
from pvt_exp.cost import Cost, NoCost


class Named(Backbone):
    kind: Literal["named"] = "named"
    preset: Literal["small", "broken"] | Literal["large"] | None = None


class Plain(Backbone):
    kind: Literal["plain"] = "plain"


class Needy(Backbone):
    kind: Literal["needy"] = "needy"
    name: str


class Own(Backbone):
    kind: Literal["own"] = "own"
    preset: str = "a"

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        return ("a", "b")


def count(runs: Sequence[Run], memory: bool) -> list[Cost | NoCost]:
    one = Cost(2_000_000, 2_000_000, 1_000_000, 3_000_000_000, (224, 224), 1, (224, 224))
    return [NoCost("no such layer") if getattr(run.backbone, "preset", "") == "broken" else one for run in runs]


def test_backbones_of_other_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"named": Named, "needy": Needy, "own": Own, "plain": Plain}
    monkeypatch.setattr(models, "kinds", lambda group: there)
    monkeypatch.setattr(models, "_classifier", lambda backbone: SimpleNamespace(backbone=backbone))
    found = models.models_json(count)
    assert [(each["kind"], each["preset"]) for each in found] == [
        *(("named", "small"), ("named", "broken"), ("named", "large")),
        *(("own", "a"), ("own", "b"), ("plain", None)),
    ]
    assert [each["preset"] for each in found if each["reason"]] == ["broken"]
    assert {each["params"] for each in found if not each["reason"]} == {2_000_000}
    console = Console(file=io.StringIO(), width=80)
    models.print_models(console, found)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "no such layer" in shown
    assert "(its defaults)" in shown


def test_pvt_s_presets_are_those_of_its_field() -> None:
    from pvt_exp.backbones.pvt import PRESETS, Settings

    assert Settings.presets() == tuple(PRESETS)
