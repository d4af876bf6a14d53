"""What a trial costs the driver: proposed, told, and shown, with 100 and 1,000 trials in the study.

Ours (`pvt_exp.tune.study`: on record before its run starts, then Optuna) and plain Optuna with the same sampler on the same
 storage take turns. "begun again" is what a driver pays that finds so many trials there; "mirror" is what the
dashboard pays, in a process of its own, for each trial that it shows.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
ROUNDS = 20

SWEEP = """\
base: {base}
tune:
  space: {{optim.lr: {{low: 1e-4, high: 1e-2, log: true}}, backbone.drop_path: {{low: 0.0, high: 0.3}}}}
  trials: {trials}
blocks: [{{one_at_a_time: {{model: {{PVT: {{}}}}}}}}]
"""


def result(run: str, score: float) -> dict[str, Any]:
    from pvt_exp.system import files

    data, cost = {"fingerprint": "f" * 16}, {"params": 1, "macs": 1}
    made = {"seconds": 1.0, "pretrained": None}
    return {
        "run": run,
        "metrics": {"top1": score},
        "data": data,
        "cost": cost,
        "provenance": made,
        "finished": files.now(),
    }


def measure(folder: Path, url: str, trials: int) -> None:
    import optuna

    from pvt_exp import store
    from pvt_exp.config.placement import Placement
    from pvt_exp.plan import expand
    from pvt_exp.tune.mirror import Mirror
    from pvt_exp.tune.study import Study

    path = folder / "sweep.yaml"
    path.write_text(SWEEP.format(base=ROOT / "experiments/quickstart/pvt.yaml", trials=trials + ROUNDS))
    plan = expand.load(path)[1]
    tuning, runs = plan.tunings[0], folder / "runs"
    store.create(runs)
    first = Study(runs, tuning, "first", f"sqlite:///{folder}/first.db")
    first.study.sampler = optuna.samplers.RandomSampler()
    lines = []
    for number in range(trials):
        values = {"optim.lr": 1e-4 + 9e-6 * number % 9e-3, "backbone.drop_path": 0.3 * (number % 97) / 97}
        run = tuning.trial(values)
        publish_result(store.attempt(runs, run, Placement(), "bench"), result(run.id, 50 + number % 13))
        lines.append(f'{{"number": {number}, "values": {{"optim.lr": {values["optim.lr"]!r}, '
                     f'"backbone.drop_path": {values["backbone.drop_path"]!r}}}, "run": "{run.id}"}}\n')  # fmt: skip
    (first.folder / "trials.jsonl").write_text("".join(lines))

    since = time.perf_counter()
    ours = Study(runs, tuning, "ours", url)
    ours.open()
    for trial in ours.trials:
        ours.tell(trial, outcome_of(runs, trial.run.id))
    again = time.perf_counter() - since
    theirs = optuna.create_study(study_name="theirs", storage=url, direction="maximize")
    theirs.add_trials(list(ours.study.trials))

    asked: list[float] = []
    told: list[float] = []
    peer: list[float] = []
    for number in range(trials, trials + ROUNDS):
        since = time.perf_counter()
        trial = ours.propose()
        asked.append(time.perf_counter() - since)
        assert trial is not None
        publish_result(store.attempt(runs, trial.run, Placement(), "bench"), result(trial.run.id, 50 + number % 13))
        seen = outcome_of(runs, trial.run.id)
        since = time.perf_counter()
        ours.tell(trial, seen)
        told.append(time.perf_counter() - since)
        since = time.perf_counter()
        theirs.sampler = optuna.samplers.TPESampler(seed=number, multivariate=True)
        other = theirs.ask(fixed_distributions=ours.distributions)
        theirs.tell(other, 50 + number % 13)
        peer.append(time.perf_counter() - since)
    since = time.perf_counter()
    shown = Mirror(lambda: plan, runs, optuna.storages.InMemoryStorage()).refresh()
    mirror = (time.perf_counter() - since) / shown
    one, other = statistics.median(a + t for a, t in zip(asked, told, strict=True)), statistics.median(peer)
    print(
        f"  {url.split(':', 1)[0]:<20} {trials:>5} trials: ask {statistics.median(asked) * 1e3:.0f} ms, tell "
        f"{statistics.median(told) * 1e3:.0f} ms; plain Optuna both {other * 1e3:.0f} ms, ratio {one / other:.2f}; "
        f"mirror {mirror * 1e3:.1f} ms; begun again {again:.1f} s",
        flush=True,
    )


@contextlib.contextmanager
def storages(folder: Path) -> Iterator[list[str]]:
    """SQLite, and PostgreSQL where it is installed."""
    from tests.postgres import BINARIES, postgres

    with contextlib.ExitStack() as stack:
        urls = [f"sqlite:///{folder}/studies.db"]
        if BINARIES:
            urls.append(stack.enter_context(postgres()))
        else:
            print("  PostgreSQL is not installed: left out")
        yield urls


def main() -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"a trial in the driver, the median of {ROUNDS}; Optuna {optuna.__version__}")
    for trials in (100, 1000):
        with tempfile.TemporaryDirectory() as folder, storages(Path(folder)) as urls:
            for number, url in enumerate(urls):
                place = Path(folder) / str(number)
                place.mkdir()
                measure(place, url, trials)


if __name__ == "__main__":
    main()
