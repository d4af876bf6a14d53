"""Which code made results: told where it differs within a row, and from the code at hand."""

import re
from pathlib import Path

import pytest

from pvt_exp import cost
from pvt_exp.backbones import pvt
from pvt_exp.config import component
from pvt_exp.config.placement import Placement
from pvt_exp.cost import calibration
from pvt_exp.plan import Plan, expand
from pvt_exp.store import code_changes, provenance
from pvt_exp.store.outcome import Outcome
from pvt_exp.tables._marks import code_of
from tests.unit.test_tables import result, table


def made(top1: float, computes: str | None = None, **packages: str) -> dict:
    found = result(top1)
    if computes:
        found["provenance"]["git"]["computes_sha256"] = computes
    found["provenance"]["packages"] = {
        name: {"version": "1.0", "files_sha256": digest, "kinds": []} for name, digest in packages.items()
    }
    return found


def notes(given: list[dict]) -> list[str]:
    return [note.text for note in table([(({},), given)]).notes]


def test_a_row_of_two_codes_is_told() -> None:
    told = notes(
        [made(79.0, "1" * 64, wide="a" * 64), made(78.0, "1" * 64, wide="a" * 64), made(50.0, "1" * 64, wide="b" * 64)]
    )
    assert (
        "its runs are of different code: seeds 0, 1 by wide aaaaaaaa; seed 2 by wide bbbbbbbb (hashes of the files)"
        in told
    )
    assert any(
        "Code of wide differs among the runs: wide 1.0 (files aaaaaaaaaa): base; wide 1.0 (files bb" in t for t in told
    )
    told = notes([made(79.0, "1" * 64), made(78.0, "2" * 64), made(50.0, "2" * 64, wide="b" * 64)])
    (text,) = [text for text in told if "different code" in text]
    assert "seed 0 by pvt_exp 11111111, wide unknown; seed 1 by pvt_exp 22222222, wide unknown" in text


def test_a_row_of_one_code_says_it_once() -> None:
    told = notes([made(79.0 + i, "1" * 64, wide="a" * 64) for i in range(3)])
    assert "Components of other packages: wide 1.0 (files aaaaaaaaaa)." in told
    assert not [text for text in told if "differ" in text and not text.startswith("Δ")]


def test_commits_that_change_nothing_that_computes_are_one_code() -> None:
    """The SHAs are told for the whole table, as ever."""
    given = [made(79.0, "1" * 64), made(78.0, "1" * 64), made(77.0, "1" * 64)]
    given[1]["provenance"]["git"]["sha"] = "b" * 40
    told = notes(given)
    assert not [text for text in told if "different code" in text]
    assert [text for text in told if text.startswith("Code differs among the runs: git aaaaaaaaaa")]


def of_plan(sweep: Path, digest: str | None) -> tuple[Plan, dict[str, Outcome]]:
    plan = expand.load(sweep)[1]
    done = {run.id: Outcome(run.id, "done", result=made(70.0, digest)) for run in plan.runs[:3]}
    return plan, done | {run.id: Outcome(run.id, "pending") for run in plan.runs[3:]}


def test_finished_runs_of_other_code_are_told_before_training(sweep: Path) -> None:
    plan, outcomes = of_plan(sweep, "0" * 64)
    words = code_changes.in_words(plan, outcomes, code_changes.other(plan, outcomes))
    assert words is not None
    assert words.startswith(
        "3 of the 3 finished runs were made by other code of pvt_exp than is here now: base; depth deeper"
    )
    assert f"pvt-exp retrain {plan.runs[0].id}" in words


@pytest.mark.parametrize("digest", [provenance.computes(), None])
def test_of_the_same_code_and_of_unknown_code_nothing_is_said(digest: str | None, sweep: Path) -> None:
    plan, outcomes = of_plan(sweep, digest)
    assert code_changes.in_words(plan, outcomes, code_changes.other(plan, outcomes)) is None


def test_what_computes_is_there_and_is_not_all() -> None:
    assert [name for name in provenance.COMPUTES if not (provenance.PACKAGE / name).exists()] == []
    assert provenance.computes() != provenance.code()[0]["files_sha256"]


def test_revisions_and_packages_are_in_the_keys_of_costs_and_calibrations(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = expand.load(sweep)[1].runs[0]
    before, speed = cost._question(run, False), calibration._counts(run, Placement())
    assert provenance.of_components(run) == {}, "keys of our own first revisions stay as they were"
    monkeypatch.setattr(pvt.Settings, "revision", 2)
    after = cost._question(run, False)
    assert before != after
    faster = calibration._counts(run, Placement())
    assert speed != faster
    monkeypatch.setitem(
        component._ORIGINS, pvt.Settings, component.Origin("backbones", "pvt", "x", "1", "pvt_exp.backbones.pvt")
    )
    seen, speeds = set(), {str(faster)}
    for digest in ("a", "b"):
        package = provenance.Package("x", "1", {}, digest)
        monkeypatch.setattr(provenance, "packages", lambda package=package: {"x": package})
        seen.add(str(cost._question(run, False)))
        speeds.add(str(calibration._counts(run, Placement())))
        assert code_changes.differing(run, made(1.0, x="a")) == ([] if digest == "a" else ["x"])
    assert len(seen) == 2
    assert len(speeds) == 3
    assert str(after) not in seen


def test_without_git_the_code_is_told_by_the_hash_of_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_git", lambda *_: None)
    git, diff = provenance.code()
    assert (git["sha"], git["dirty"], diff) == (None, False, "")
    assert re.fullmatch(r"[0-9a-f]{64}", git["files_sha256"])
    assert code_of({"provenance": {"git": git}}) == f"files {git['files_sha256'][:10]}"
