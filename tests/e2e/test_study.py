"""The trials of one variant: what is proposed, what is pruned, and what a second driver makes of the first one's record."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pvt_exp.config import ConfigError
from pvt_exp.plan import Tuning, expand
from pvt_exp.store import trial_record
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.trial_record import Trial
from pvt_exp.tune.storage import Database
from pvt_exp.tune.study import Study
from tests.conftest import EXPERIMENT

SWEEP = """\
base: base.yaml
tune:
  space: {optim.lr: {low: 1e-4, high: 1e-2, log: true}}
  trials: 5
  pruner: median
blocks:
  - one_at_a_time: {depth: {deeper: {backbone.depths: [2, 1, 1, 1]}}}
"""


@pytest.fixture
def tuning(tmp_path: Path) -> Tuning:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return expand.load(tmp_path / "sweep.yaml")[1].tunings[0]


def opened(tmp_path: Path, tuning: Tuning) -> Study:
    return Study(tmp_path / "runs", tuning, "sweep", Database(f"sqlite:///{tmp_path}/studies.db"))


def done(trial: Trial, top1: float) -> Outcome:
    return Outcome(trial.run.id, "done", result={"metrics": {"top1": top1}, "data": {"fingerprint": "f" * 16}})


def proposed(one: Study) -> Trial:
    trial = one.propose()
    assert trial is not None
    return trial


def test_the_best_of_all_is_chosen_when_all_have_ended(tmp_path: Path, tuning: Tuning) -> None:
    one = opened(tmp_path, tuning)
    scores = [20.0, 60.0, 40.0, 10.0]
    trials = [proposed(one) for _ in range(5)]
    assert one.propose() is None
    for trial, score in zip(trials, scores, strict=False):
        assert one.decide() is None
        one.tell(trial, done(trial, score))
    one.tell(trials[4], Outcome(trials[4].run.id, "killed"))
    assert one.decide() is None, "a killed trial is tried again"
    one.tell(trials[4], Outcome(trials[4].run.id, "failed"))
    assert one.decide() == trials[1].values == trial_record.choice(tmp_path / "runs", tuning)
    told = json.loads((one.folder / "choice.json").read_text())
    assert (told["run"], told["score"], told["ended"]) == (trials[1].run.id, 60.0, {"done": 4, "failed": 1})
    assert told["data"] == "f" * 16


def test_optunas_settings_are_on_record_with_its_defaults(tmp_path: Path, tuning: Tuning) -> None:
    one = opened(tmp_path, tuning)
    one.open()
    told = json.loads((one.folder / "study.json").read_text())
    assert (told["sweep"], told["variant"], told["tune"]["trials"]) == ("sweep", "base", 5)
    how = told["optuna"]
    assert how["version"].startswith("5.")
    assert (how["sampler"]["class"], how["sampler"]["multivariate"], how["sampler"]["n_ei_candidates"]) == (
        "TPESampler", True, 24,
    )  # fmt: skip
    assert (how["pruner"]["class"], how["pruner"]["n_warmup_steps"]) == ("MedianPruner", 0)


def test_a_study_that_was_interrupted_keeps_its_space(tmp_path: Path, tuning: Tuning) -> None:
    runs = tmp_path / "runs"
    one = opened(tmp_path, tuning)
    one.open()
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(SWEEP.replace("low: 1e-4", "low: 1e-3").replace("pruner: median", "seed: 77"))
    other = expand.load(sweep)[1].tunings[0]
    assert trial_record.interrupted(runs, other, "sweep") is None, "nothing was tried yet"
    proposed(one)
    assert trial_record.interrupted(runs, other, "sweep") == (one.folder, ["space", "pruner", "seed"])
    assert trial_record.interrupted(runs, other, "another") is None
    sweep.write_text(SWEEP.replace("trials: 5", "trials: 7"))
    assert trial_record.interrupted(runs, expand.load(sweep)[1].tunings[0], "sweep") is None, "more trials go on"
    (one.folder / "choice.json").write_text("{}")
    assert trial_record.interrupted(runs, other, "sweep") is None, "what has ended was not interrupted"


def test_a_trial_below_the_median_of_the_others_is_pruned(tmp_path: Path, tuning: Tuning) -> None:
    one = opened(tmp_path, tuning)
    for score in (50.0, 60.0, 70.0):
        trial = proposed(one)
        assert not one.should_prune(trial, 1, score)
        one.tell(trial, done(trial, score))
    bad, good = proposed(one), proposed(one)
    assert one.should_prune(bad, 1, 10.0)
    assert not one.should_prune(bad, 1, 10.0), "an epoch is looked at once"
    assert not one.should_prune(good, 1, 65.0)
    one.tell(bad, Outcome(bad.run.id, "pruned", "too low"))
    one.tell(good, done(good, 65.0))
    assert [trial.state.name for trial in one.study.trials] == ["COMPLETE"] * 3 + ["PRUNED", "COMPLETE"]


def test_hyperband_ends_the_bad_ones(tmp_path: Path, tuning: Tuning) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT.replace("epochs: 2", "epochs: 9"))
    text = SWEEP.replace("pruner: median", "pruner: hyperband").replace("trials: 5", "trials: 24")
    (tmp_path / "sweep.yaml").write_text(text)
    one = opened(tmp_path, expand.load(tmp_path / "sweep.yaml")[1].tunings[0])
    ended = {"good": 0, "bad": 0}
    for number in range(24):
        kind, trial = ("bad" if number % 4 else "good"), proposed(one)
        score = 90.0 + number if kind == "good" else 10.0 - number / 10
        if any(one.should_prune(trial, epoch, score) for epoch in range(1, 9)):
            ended[kind] += 1
            one.tell(trial, Outcome(trial.run.id, "pruned", "too low"))
        else:
            one.tell(trial, done(trial, score))
    assert ended["good"] == 0
    assert ended["bad"] > 0


def test_without_its_package_a_sampler_is_refused(
    tmp_path: Path, tuning: Tuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = "{optim.lr: {low: 1e-4, high: 1e-2, log: true}, backbone.drop_path: {low: 0.0, high: 0.2}}\n  sampler: cmaes"
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("{optim.lr: {low: 1e-4, high: 1e-2, log: true}}", two))
    one = opened(tmp_path, expand.load(tmp_path / "sweep.yaml")[1].tunings[0])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install 'pvt-exp\\[tune\\]'"):
        one.open()


def test_a_second_driver_goes_on_as_the_first_would_have(tmp_path: Path, tuning: Tuning) -> None:
    first = opened(tmp_path, tuning)
    for score in (30.0, 50.0, 40.0):
        trial = proposed(first)
        first.tell(trial, done(trial, score))
    second = opened(tmp_path, tuning)
    assert second.trials == first.trials
    for trial, score in zip(second.trials, (30.0, 50.0, 40.0), strict=True):
        second.tell(trial, done(trial, score))
    assert proposed(second).number == 3
    assert len(second.study.trials) == 4


def test_a_second_driver_knows_how_earlier_trials_went(tmp_path: Path, tuning: Tuning) -> None:
    first = opened(tmp_path, tuning)
    for score in (50.0, 60.0, 70.0):
        trial = proposed(first)
        attempt = tmp_path / "runs" / trial.run.id / "attempts/1"
        attempt.mkdir(parents=True)
        (attempt / "metrics.csv").write_text(f"epoch,step,top1\n0,3,\n0,6,{score}\n1,9,\n1,12,{score + 5}\n")
    second = opened(tmp_path, tuning)
    second.open()
    for trial in second.trials:
        assert not second.should_prune(trial, 2, 0.0), "an epoch is looked at once"
        second.tell(trial, done(trial, 80.0))
    assert second.study.trials[1].intermediate_values == {1: 60.0, 2: 65.0}
    assert second.should_prune(proposed(second), 1, 10.0)


def test_what_was_edited_and_what_is_not_ours_is_refused(tmp_path: Path, tuning: Tuning) -> None:
    import optuna

    one = opened(tmp_path, tuning)
    optuna.create_study(study_name=one.name, storage=one.database.url)
    with pytest.raises(ConfigError, match="that is not of this sweep"):
        one.open()
    (one.folder / "trials.jsonl").write_text(
        json.dumps({"number": 0, "values": {"optim.lr": 1e-3}, "run": "0" * 12}) + "\n"
    )
    with pytest.raises(ConfigError, match="the file says 000000000000"):
        opened(tmp_path, tuning)
    (one.folder / "trials.jsonl").write_text("what?\n")
    with pytest.raises(ConfigError, match="line 1 is no trial"):
        opened(tmp_path, tuning)


def test_no_seed_of_the_sweep_is_that_of_the_trials(tmp_path: Path, tuning: Tuning) -> None:
    with pytest.raises(ConfigError, match="seed 10000 is one of the sweep's seeds"):
        expand.load(tmp_path / "sweep.yaml", seeds=[0, 10_000])


def test_equal_variants_of_two_sweeps_share_their_trials(tmp_path: Path, tuning: Tuning) -> None:
    def key(**changes: Any) -> str:
        text = SWEEP
        for old, new in changes.values():
            text = text.replace(old, new)
        (tmp_path / "other.yaml").write_text(text)
        return expand.load(tmp_path / "other.yaml")[1].tunings[0].key

    assert key() == tuning.key
    assert key(more=("trials: 5", "trials: 9")) == tuning.key
    assert key(other=("depth:", "depths:")) == tuning.key
    changed = {
        key(space=("high: 1e-2", "high: 2e-2")),
        key(pruner=("pruner: median", "sampler: random")),
        key(seed=("trials: 5", "trials: 5\n  seed: 7")),
        key(share=("trials: 5", "trials: 5\n  holdout: {fraction: 0.3}")),
    }
    assert len(changed | {tuning.key}) == 5


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "grid"])
def test_every_sampler_proposes_within_the_space(sampler: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    decay = "{low: 0.8, high: 0.9}" if sampler == "cmaes" else "{choices: [null, 0.9]}"
    space = f"{{optim.lr: {{low: 0.001, high: 0.005, step: 0.001}}, ema_decay: {decay}}}"
    tune = f"tune:\n  space: {space}\n  trials: 10\n  sampler: {sampler}\nblocks:\n"
    (tmp_path / "sweep.yaml").write_text(f"base: base.yaml\n{tune}  - variants: {{a: {{epochs: 3}}}}\n")
    one = opened(tmp_path, expand.load(tmp_path / "sweep.yaml")[1].tunings[0])
    seen = []
    for n in range(10):
        trial = proposed(one)
        one.tell(trial, done(trial, 10.0 + n))
        assert trial.run.optim.lr == pytest.approx(round(trial.run.optim.lr, 3))
        assert 0.001 <= trial.run.optim.lr <= 0.005
        assert 0.8 <= (trial.run.ema_decay or 0.9) <= 0.9
        seen.append((trial.run.optim.lr, trial.run.ema_decay))
    assert len(set(seen)) == 10 if sampler == "grid" else len(set(seen)) > 2


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    other = sqlite3.connect(file)
    other.execute("begin exclusive")
    yield
    other.rollback()
    other.close()


@contextlib.contextmanager
def spoilt(how: Callable[[Path], object], file: Path) -> Iterator[None]:
    how(file)
    yield


def _emptied(file: Path) -> None:
    with sqlite3.connect(file) as other:
        for table in ("trial_values", "trial_params", "trials", "study_directions", "studies"):
            other.execute(f"delete from {table}")


SPOILT: dict[str, Callable[[Path], Any]] = {
    "locked": locked,
    "removed": lambda file: spoilt(Path.unlink, file),
    "written over": lambda file: spoilt(lambda each: each.write_bytes(b"junk" * 2000), file),
    "cut": lambda file: spoilt(lambda each: each.write_bytes(each.read_bytes()[:5000]), file),
    "emptied": lambda file: spoilt(_emptied, file),
    "a folder": lambda file: spoilt(lambda each: (each.unlink(), each.mkdir()), file),
}


def search(one: Study, tuning: Tuning, spoil: Any) -> list[dict[str, Any]]:
    """The values of five trials, two of which end before the database is spoilt, and one while it is."""
    trials = [proposed(one) for _ in range(3)]
    for trial, score in zip(trials[:2], (20.0, 60.0), strict=True):
        assert not one.should_prune(trial, 1, score)
        one.tell(trial, done(trial, score))
    with spoil:
        one.should_prune(trials[2], 1, 40.0)
        one.tell(trials[2], done(trials[2], 40.0))
        trials.append(proposed(one))
    one.tell(trials[3], done(trials[3], 70.0))
    trials.append(proposed(one))
    one.tell(trials[4], done(trials[4], 30.0))
    assert one.decide() == trials[3].values
    one.database.renew()
    return [trial.values for trial in trials]


@pytest.mark.parametrize("kind", SPOILT)
def test_a_database_that_fails_in_the_midst_costs_nothing(
    tmp_path: Path, tuning: Tuning, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import optuna

    def study_in(folder: str) -> Study:
        file = tmp_path / folder / "tuned.db"
        file.parent.mkdir()
        return Study(tmp_path / folder, tuning, "sweep", Database(f"sqlite:///{file}?timeout=0.1", file))

    undisturbed = search(study_in("undisturbed"), tuning, contextlib.nullcontext())
    assert capsys.readouterr().err == ""
    one = study_in("disturbed")
    one.open()
    file = tmp_path / "disturbed/tuned.db"
    assert search(one, tuning, SPOILT[kind](file)) == undisturbed
    said = capsys.readouterr().err.splitlines()
    if kind == "a folder":  # which is nobody's to remove
        assert "cannot be made anew" in said[1]
        return
    assert len(said) == 2, said
    assert "the search goes on in memory, and it is made anew at the end" in said[0]
    assert said[1].endswith("is made anew")
    kept = optuna.load_study(study_name=one.name, storage=f"sqlite:///{file}")
    assert [trial.value for trial in kept.trials] == [20.0, 60.0, 40.0, 70.0, 30.0]
    assert kept.user_attrs["pvt_exp"] == tuning.key


@pytest.mark.parametrize("kind", ["written over", "locked", "cut"])
def test_a_database_of_the_store_that_cannot_be_used_at_first(
    tmp_path: Path, tuning: Tuning, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tuned.db"

    def study_now() -> Study:
        return Study(tmp_path / "runs", tuning, "sweep", Database(f"sqlite:///{file}?timeout=0.1", file))

    study_now().open()
    with SPOILT[kind](file):
        one = study_now()
        one.open()
        proposed(one)
    said = capsys.readouterr().err
    assert ("goes on in memory" if kind == "locked" else "it is only a copy, and is made anew") in said
    (tmp_path / "named.db").write_text("a person's own file" * 100)
    other = Study(tmp_path / "other", tuning, "sweep", Database(f"sqlite:///{tmp_path}/named.db"))
    with pytest.raises(ConfigError, match="file is not a database"):
        other.open()
    assert (tmp_path / "named.db").read_text().startswith("a person's own file")
