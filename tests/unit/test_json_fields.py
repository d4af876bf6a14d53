"""docs/json.md names the fields that `--json` has, all of them and no others; the reader of it says where that is not so.

What all verbs print is held to it where they are typed: `tests/e2e/test_verbs.py`, and whatever types by the fixture `cli`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import store
from pvt_exp.cli.views.why import why_json
from pvt_exp.config.placement import Placement
from pvt_exp.drive import cleaning, registry
from pvt_exp.plan import pretraining
from pvt_exp.store import attempts
from pvt_exp.store.uses import Use
from tests import json_fields
from tests.conftest import ROOT
from tests.json_fields import Seen, differences
from tests.verbs import parameters, verbs


def test_every_verb_has_json_and_its_fields_are_documented() -> None:
    lacking = []
    for path, command in verbs().items():
        if not getattr(command, "commands", None) and path:
            lacking += [] if "--json" in parameters(command) and json_fields.headings(path) else [" ".join(path)]
    assert not lacking


def test_json_of_why_has_the_documented_fields(experiment: Path, tmp_path: Path) -> None:
    run = pretraining.experiment(experiment)
    attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "mine")
    attempts.end(attempt, "failed", "RuntimeError: the disk was away")
    with registry.driving(tmp_path / "runs", "mine", ("pvt-exp", "sweep")):
        found = why_json(tmp_path / "runs", run.id)
    assert found["attempts"][0]["reason"] == "RuntimeError: the disk was away"
    assert [each["sweep"] for each in found["drivers"]] == ["mine"]
    assert not differences(["why", run.id, "--json"], found)


def test_json_of_stop_has_the_documented_fields(tmp_path: Path) -> None:
    runs = store.create(tmp_path / "runs")
    with registry.driving(runs, "mine", ("pvt-exp", "sweep")):
        (one,) = asked = registry.of(runs, "mine")
    found = registry.stopped_json("mine", asked, [])
    assert found["drivers"] == [{"process": one.process, "host": one.host, "here": True, "stopped": True}]
    assert registry.stopped_json("mine", asked, asked)["stopped"] is False
    assert not differences(["stop", "mine", "--json"], found)


USES = (Use("mine", Path("/p/mine.yaml"), ("optim.lr=1",)),)
LEFT = [cleaning.Left(Path("runs/a"), 5, ("mine",), "done", USES), cleaning.Left(Path("runs/code/b"), 7, (), None)]


@pytest.mark.parametrize("removed", [False, True])
def test_json_of_clean_has_the_documented_fields(removed: bool) -> None:
    found = cleaning.as_json(cleaning.Found(LEFT[1:], LEFT[:1], []), LEFT[1:] if removed else [])
    assert (found["bytes"], found["removed"]) == (12, removed)
    assert [each["removed"] for each in (*found["folders"], *found["finished"])] == [removed, False]
    assert not differences(["clean", "--json"], found)


def test_json_of_runs_remove_has_the_documented_fields() -> None:
    found = cleaning.chosen_json(LEFT, LEFT[1:])
    assert (found["removed"], [each["removed"] for each in found["runs"]]) == (False, [True, False])
    assert not differences(["runs", "remove", "a", "--json"], found)


# ---------------------------------------------------------------- the reader


def plan() -> dict[str, Any]:
    run = {"id": "a", "seed": 0, "state": "done", "pretraining": None, "other_code": []}
    row = {"name": "base", "base": True, "labels": [{}], "recipe_differs": [], "runs": [run]}
    counts = dict.fromkeys(("runs", "merged", "removed"), 1)
    lists = {
        name: []
        for name in ("seeds", "merged_rows", "removed_rows", "pretrainings", "tunings", "data", "unfit", "absent")
    }
    return {"sweep": "mine", **counts, **lists, "states": {"done": 1}, "variants": [row]}


def test_a_document_as_it_is_documented() -> None:
    seen = Seen()
    assert not differences(["plan", "x.yaml", "--json"], plan(), seen)
    assert any(line.endswith("variants matched: never there") for line in seen.lacking())
    assert not any(line.endswith("variants name: never there") for line in seen.lacking())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.pop("seeds"), "seeds: missing"),
        (lambda told: told.update(more=1), "more: not documented"),
        (lambda told: told["variants"][0]["runs"][0].pop("seed"), "variants runs seed: missing"),
        (lambda told: told["variants"][0]["runs"][0].update(metrics={}), "variants runs metrics: not documented"),
        (lambda told: told["variants"][0].update(matched={"field": 1}), "variants matched before: missing"),
        (lambda told: told.update(states=3), "states: not an object"),
        (lambda told: told.update(variants=["base"]), "variants: not an object"),
    ],
)
def test_a_document_that_differs(change: Any, said: str) -> None:
    told = plan()
    change(told)
    assert differences(["plan", "x.yaml", "--json"], told)[0].endswith(said)


def test_what_is_under_a_verb_with_an_option_is_not_under_it_without() -> None:
    told = {**plan(), "costs": [], "device": None, "hours": None}
    assert not differences(["plan", "x.yaml", "--cost", "--json"], told)
    assert differences(["plan", "x.yaml", "--json"], told)


def test_a_field_of_another_type_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, other = Seen(), Seen()
    assert not differences(["plan", "x.yaml", "--json"], plan(), seen)
    runs, states = ("`pvt-exp plan SWEEP --json`", "runs"), ("`pvt-exp plan SWEEP --json`", "states")
    assert (seen.types[runs], seen.types[states]) == ({"number"}, {"number by key"})
    assert seen.types["`pvt-exp plan SWEEP --json`", "seeds"] == {"list"}
    known = {" ".join(place): sorted(types) for place, types in seen.types.items() if types}
    (tmp_path / "types.json").write_text(json.dumps(known))
    monkeypatch.setattr(json_fields, "TYPES", tmp_path / "types.json")
    assert not seen.changed()
    told = {**plan(), "runs": "1", "states": {}, "seeds": [0]}
    assert not differences(["plan", "x.yaml", "--json"], told, other)
    assert other.changed() == ["`pvt-exp plan SWEEP --json` runs: text, not number"]
    run = told["variants"][0]["runs"][0]
    run["other_code"] = True
    assert not differences(["plan", "x.yaml", "--json"], told, other)
    assert "A planned run other_code: flag, not list" in other.changed()


def test_every_field_whose_type_is_known_is_documented() -> None:
    headings = [
        line.removeprefix("## ") for line in (ROOT / "docs/json.md").read_text().splitlines() if line.startswith("## ")
    ]
    known = json.loads(json_fields.TYPES.read_text())
    assert not [name for name in known if not name.startswith(tuple(f"{heading} " for heading in headings))]
