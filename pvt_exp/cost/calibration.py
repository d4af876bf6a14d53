"""Measures the throughput of a row on this machine: a few real steps in a process of its own, kept in the store.

``STORE/calibrations/<key>.json`` holds one; the key is a hash of all that the speed depends on, the device included.
"""

import hashlib
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts
from pvt_exp.launchers import Slot, visible
from pvt_exp.plan import Plan, Tuning
from pvt_exp.store import provenance
from pvt_exp.store.outcome import Outcome
from pvt_exp.system import children, files, machine, signals
from pvt_exp.system.words import several

BUSY = 0.25
"""From this use by others on, 0 to 1 of the cores or the GPU, a device counts as not idle."""
LOOK_S = 0.5
"""How long the use of the cores is observed."""


class Throughput(NamedTuple):
    """How fast one run is trained and scored on a device."""

    step_s: float
    """Seconds of an optimizer step, loading included: the mean over `steps`."""
    steps: int
    data_wait: float
    """Part of that time, 0 to 1, spent waiting for the next images."""
    val_images_per_s: float
    """Images a second in validation, loading included."""
    inference_images_per_s: float
    """Images a second through the model in testing, a batch at a time, without loading."""
    peak_memory_bytes: int
    """Peak memory of the GPU's allocator in the steps; without a GPU, of the process."""
    batch: int
    """Images of that batch in testing."""
    device: str
    threads: int
    busy: float
    """Use of the device by others when the measurement began, 0 to 1."""
    measured: str
    """When, in UTC."""
    code: str
    """Hash of the package's files."""
    micro_batch: int | None = None
    """Images at once, where that was fewer than the run's group."""
    workers: int = 0
    """Processes that loaded images."""

    @property
    def was_idle(self) -> bool:
        """Whether nobody else used the device, so that its figures can be published."""
        return self.busy < BUSY

    def run_s(self, run: Run, facts: Facts) -> float:
        """Seconds of the whole run, without its start-up."""
        train, val = facts.images["train"], facts.images.get("val", 0)
        if run.holdout is not None:
            val = run.holdout.held(train)
            train -= val
        return run.epochs * (max(1, train // run.batch_size) * self.step_s + val / self.val_images_per_s)


@lru_cache
def device(slot: Slot) -> str:
    """The name of what a slot computes on."""
    each = f"{slot.ranks} x " if slot.ranks > 1 else ""
    if not slot.gpus:
        return f"{each}{provenance.machine()['processor']}, {several(slot.threads, 'thread')}"
    return each + (_smi("name", slot.gpus[0]) or "GPU")


def device_memory(slot: Slot, sharing: int) -> int:
    """Bytes that each process of a run in this slot can have, if ``sharing`` runs share the device."""
    if slot.gpus:
        told = _smi("memory.total", slot.gpus[0])
        return (int(float(told)) << 20 if told else sys.maxsize) // sharing
    whole = machine.memory()
    return whole // (sharing * slot.ranks)


def _smi(what: str, gpu: int) -> str | None:
    inherited = os.environ.get("CUDA_VISIBLE_DEVICES")
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", visible((gpu,), inherited)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip().splitlines()[0] if told.returncode == 0 and told.stdout.strip() else None


def known(runs: Path, run: Run, placement: Placement, slot: Slot) -> Throughput | None:
    """The throughput of such a run on such a device; None if it was not measured."""
    found = _read(_path(runs, run, placement, slot))
    return None if found is None else Throughput(**found["throughput"])


def of_run(runs: Path, run: Run) -> list[Throughput]:
    """All throughputs of such a run, on any device and in any placement."""
    own = _counts(run, Placement())["run"]
    return [Throughput(**found["throughput"]) for found in _all(runs) if found["run"] == own]


@lru_cache(maxsize=1)
def _all(runs: Path) -> list[dict[str, Any]]:
    return [found for path in sorted((runs / "calibrations").glob("*.json")) if (found := _read(path))]


def _read(path: Path) -> dict[str, Any] | None:
    """The contents of a calibration's file; None where it is absent, torn, or of code with other fields."""
    found = files.read_json(path)
    values = found.get("throughput") if isinstance(found, dict) else None
    return found if isinstance(values, dict) and set(values) == set(Throughput._fields) else None


def measure(runs: Path, run: Run, placement: Placement, slot: Slot) -> Throughput:
    """Train a few steps of the run in a slot, score some images, and store the throughput. The run itself is not started.

    Raises:
        ConfigError: with the child's last words, if it fails.
    """
    placed = placement.model_copy(update={"gpus": slot.gpus, "threads": slot.threads, "ranks": slot.ranks})
    asked = {"run": run.model_dump(mode="json"), "placement": placed.model_dump(mode="json")}
    changes = {
        "CUDA_VISIBLE_DEVICES": visible(slot.gpus, os.environ.get("CUDA_VISIBLE_DEVICES")),
        "OMP_NUM_THREADS": str(slot.threads),
    }
    busy = _busy(slot)
    try:
        told = _answered(asked, changes, slot.ranks)
    except ValueError as error:
        raise ConfigError(f"calibration of {run.id}: {error}") from None
    facts: dict[str, Any] = {"device": device(slot), "threads": slot.threads, "busy": busy, "measured": files.now()}
    facts |= {"micro_batch": placement.micro_batch, "workers": placement.workers}
    throughput = Throughput(**told, **facts, code=provenance.code()[0]["files_sha256"])
    path = _path(runs, run, placement, slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, files.dump({"throughput": throughput._asdict(), "of": run.id, **_counts(run, placement)}))
    return throughput


def _answered(asked: dict[str, Any], changes: dict[str, str], ranks: int) -> dict[str, Any]:
    """What `pvt_exp.train.measure` answers, in so many processes; ValueError with the last words of the one that failed."""
    with tempfile.TemporaryDirectory() as meeting, ExitStack() as opened:

        def file(rank: int, name: str, mode: str) -> Any:
            return opened.enter_context((Path(meeting) / f"{rank}.{name}").open(mode))

        started = []
        for rank in range(ranks):
            files.put(Path(meeting) / f"{rank}.in", json.dumps({**asked, "rank": rank, "meeting": meeting}))
            pipes = {"stdin": file(rank, "in", "r"), "stdout": file(rank, "out", "w"), "stderr": file(rank, "err", "w")}
            started.append(children.start("pvt_exp.train.measure", changes=changes, **pipes))
        try:
            while any(child.poll() is None for child in started) and not any(child.poll() for child in started):
                time.sleep(0.1)
            failed = [rank for rank, child in enumerate(started) if child.poll()]
        finally:
            for child in started:
                child.kill()
                child.wait()
        for rank in failed:
            code = started[rank].returncode
            how = f"ended by {signals.name(-code)}" if code < 0 else "failed"
            raise ValueError(children.last_line((Path(meeting) / f"{rank}.err").read_text(), how))
        return dict(json.loads((Path(meeting) / "0.out").read_text().splitlines()[-1]))


def _busy(slot: Slot) -> float:
    if slot.gpus:
        told = _smi("utilization.gpu", slot.gpus[0])
        return float(told) / 100 if told and told.isdecimal() else 0.0
    before, since = _worked(), time.monotonic()
    time.sleep(LOOK_S)
    return round(min(1.0, (_worked() - before) / (time.monotonic() - since) / machine.cores()), 2)


def _worked() -> float:
    """Seconds that the cores which this process may use have computed since the machine's start."""
    own = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    cores = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    return sum(int(ticks) for name, *all_ in cores if name in own for ticks in all_[:3]) / os.sysconf("SC_CLK_TCK")


def _path(runs: Path, run: Run, placement: Placement, slot: Slot) -> Path:
    key = json.dumps({**_counts(run, placement), "device": device(slot)}, sort_keys=True)
    return runs / "calibrations" / f"{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def _counts(run: Run, placement: Placement) -> dict[str, Any]:
    """All that the speed of a step depends on, besides the device."""
    fields = {"task", "dataset", "backbone", "batch_size", "ghost_batch_size", "precision"}
    own = {**run.model_dump(mode="json", include=fields), "optim": run.optim.kind, "ema": run.ema_decay is not None}
    own |= provenance.of_components(run)
    return {"run": own, "placement": {"workers": placement.workers, "micro_batch": placement.micro_batch}}


# ---------------------------------------------------------------- hours


class Hours(NamedTuple):
    """What a sweep takes from now on."""

    device_h: float
    """Of all runs together, one device each."""
    wall_h: float
    """Until the last one ends, on the slots at hand."""
    left: int
    """Runs that are not done, trials among them."""


def hours(
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    tried: Mapping[str, int],
    throughputs: Mapping[str, Throughput],
    facts: Mapping[Any, Facts],
    progress: Mapping[str, float],
    slots: int,
) -> Hours:
    """The hours of what is left of a plan, each run begun when a slot is free.

    Args:
        plan: What is to be trained.
        outcomes: By the runs' ids; what is done costs nothing more.
        tried: Trials that have ended, by the names of the tuned rows.
        throughputs: By the names of the plan's groups and tunings.
        facts: Of each data set.
        progress: By the ids of runs that were begun, the part of each that will not be computed again.
        slots: Runs at once.
    """
    seconds = [*_trials(plan, tried, throughputs, facts)]
    for run in plan.order:
        seen = outcomes.get(run.id)
        if seen is not None and seen.state != "done":
            whole = throughputs[plan.names[run.id]].run_s(run, facts[run.dataset])
            seconds.append(whole * (1 - progress.get(run.id, 0.0)))
    for each in plan.undecided:
        seconds += [throughputs[each.name].run_s(each.first, facts[each.first.dataset])] * len(plan.seeds)
    return Hours(sum(seconds) / 3600, _makespan(seconds, slots) / 3600, len(seconds))


def _trials(
    plan: Plan, tried: Mapping[str, int], throughputs: Mapping[str, Throughput], facts: Mapping[Any, Facts]
) -> Iterable[float]:
    for each in plan.tunings:
        if each.chosen is None:
            whole = throughputs[each.name].run_s(each.first, facts[each.first.dataset])
            yield from [whole] * max(0, each.tune.trials - tried.get(each.name, 0))


def _makespan(seconds: Sequence[float], slots: int) -> float:
    free = [0.0] * slots
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def groups(plan: Plan) -> dict[str, Run]:
    """The runs of a plan that differ in more than their seed, by what they are called: one of each is measured."""
    found = {group.name: group.runs[0] for group in plan.groups}
    tunings: Iterable[Tuning] = (each for each in plan.tunings if each.chosen is None)
    return {**found, **{each.name: each.first for each in tunings}}
