"""Processes on this machine, forked from a server that has imported torch already.

Importing torch, Lightning and timm takes seconds and is the same for every run, so it is done once: a run then starts in
a few hundredths of a second. The server never touches CUDA; a run sets its GPUs and threads before it does.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import takewhile
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from pydantic import Field

from pvt_exp.launchers import Ended, Launcher, Slot, Work, threads_of
from pvt_exp.system import children, inherited, machine, signals
from pvt_exp.system.words import are, several

PATIENCE_S = 30.0
"""How long a run that was asked to stop may take before it is killed."""
SERVER_GONE = 255
"""Exit status that multiprocessing reports if the forkserver died; no run ends with it."""
SERVER_KILLED = "the process that runs are forked from was killed"
VISIBLE = "CUDA_VISIBLE_DEVICES"
DEVICES = Path("/dev")


class Settings(Launcher):
    """Processes on this machine."""

    kind: Literal["local"] = "local"
    gpus: Literal["auto"] | tuple[int, ...] = "auto"
    """Numbers of the GPUs to use, a run each; one given twice takes two runs; ``auto``: all there are, else the CPU."""
    cpu_slots: int | None = Field(None, ge=1)
    """Runs at once on the CPU; giving it says that GPUs are left alone; none: one a core."""

    def slots(self) -> list[Slot]:
        """The places for runs, one entry each. Raises ValueError for GPUs that this machine does not have."""
        cores = machine.cores()
        there = _gpus()
        gpus = there if self.gpus == "auto" and self.cpu_slots is None else () if self.gpus == "auto" else self.gpus
        if missing := sorted(set(gpus) - set(there)):
            of = f" ({VISIBLE} is '{os.environ[VISIBLE]}')" if VISIBLE in os.environ else ""
            raise ValueError(f"no GPU {', '.join(map(str, missing))} here; there are {list(there) or 'none'}{of}")
        each = self.gpus_per_run
        if gpus:
            groups = _groups(gpus, each)
            if not groups:
                raise ValueError(
                    f"gpus_per_run is {each}, and there {are(len(set(gpus)))} {several(len(set(gpus)), 'GPU')} to use"
                )
            return [Slot(group, threads_of(cores, each * len(groups), self.threads), each) for group in groups]
        count = self.cpu_slots or max(1, cores // each)
        return [Slot((), threads_of(cores, each * count, self.threads), each) for _ in range(count)]

    def launch(self, work: Work) -> Iterator[Ended | None]:
        children.make_room()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pvt_exp.system.quick_end", "pvt_exp.train.preload"])
        home = str(work.code())
        _serve_from(home)
        free = self.slots()
        running: dict[Path, tuple[list[BaseProcess], Slot]] = {}
        try:
            while True:
                waiting = []
                for slot in free:
                    attempt = work.next_attempt(slot)
                    if attempt is None:
                        waiting.append(slot)
                        continue
                    ranks: list[BaseProcess] = [
                        context.Process(target=_run, args=(str(attempt), rank), name=f"rank {rank} of {attempt}")
                        for rank in range(slot.ranks)
                    ]
                    running[attempt] = ranks, slot
                    if not _start(ranks, home):
                        del running[attempt]
                        waiting.append(slot)
                        yield Ended(attempt, SERVER_GONE, SERVER_KILLED)
                free = waiting
                if not running:
                    return
                going = [process for ranks, _ in running.values() for process in ranks if process.exitcode is None]
                over = any(_code(ranks) is not None for ranks, _ in running.values())
                wait([process.sentinel for process in going], timeout=0 if over else 0.3)
                for attempt in running.keys() & set(work.to_end()):
                    _end(running[attempt][0])
                for attempt, (ranks, slot) in tuple(running.items()):
                    if (code := _code(ranks)) is not None:
                        del running[attempt]
                        _end(ranks)  # and what the run left behind: loaders, W&B's service
                        free.append(slot)
                        yield Ended(attempt, code, SERVER_KILLED if code == SERVER_GONE else None)
                yield None
        except KeyboardInterrupt as asked:
            for attempt in running:
                work.on_stop(attempt, signals.by(asked))
            raise
        finally:
            _stop([process for ranks, _ in running.values() for process in ranks])


def _serve_from(home: str) -> None:
    """Make the server import pvt_exp from the folder ``home``: a server of another copy is ended.

    It does so by ``sys.path``, which the server gets; this process keeps the pvt_exp that it has imported.
    """
    if _homes != [home]:
        stop_server()
        sys.path.insert(0, home)
        _homes.append(home)


_homes: list[str] = []
"""The folder that the server has pvt_exp from, if it was started."""


def stop_server() -> None:
    """End the forkserver, if it runs; the next run starts another."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    while _homes:
        sys.path.remove(_homes.pop())


def _groups(gpus: tuple[int, ...], each: int) -> list[tuple[int, ...]]:
    """So many different GPUs for each run, in their order; what is left over, or named again, makes further groups."""
    groups, left = [], list(gpus)
    while len(group := tuple(dict.fromkeys(left))[:each]) == each:
        groups.append(group)
        for gpu in group:
            left.remove(gpu)
    return groups


def _code(ranks: list[BaseProcess]) -> int | None:
    """Exit status of a run, if it has ended: that of its first process, or of the first other one that failed."""
    first, *others = (process.exitcode for process in ranks)
    return first if first is not None else next((code for code in others if code), None)


def _end(ranks: list[BaseProcess]) -> None:
    for process in ranks:
        _end_group(process)
    for process in ranks:
        process.join(PATIENCE_S)


def _start(ranks: Sequence[BaseProcess], code: str) -> bool:
    """Start the processes of a run from the server; False where the server was killed meanwhile, and they with it.

    The server is started if it is not there, or not there any more, and imports pvt_exp from ``code`` alone: never from the
    folder that the command was typed in.
    """
    # Up to Python 3.12 the server reads no other path; Lightning reads its rank when it is imported.
    without = dict.fromkeys(filter(inherited.is_foreign, os.environ))
    with _environment({"PYTHONPATH": children.path(code), **children.SAFE, **without}):
        try:
            for process in ranks:
                process.start()
        except (EOFError, ConnectionError):
            _end([process for process in ranks if process.pid is not None])
            return False
    return True


@contextlib.contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables inside; None removes one."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _run(attempt: str, rank: int = 0) -> None:
    """In the forked process: start a process group that ends with the driver, then train."""
    signals.heed()
    os.setsid()
    driver = multiprocessing.parent_process()
    assert driver is not None
    threading.Thread(target=_end_with, args=(driver.sentinel,), daemon=True).start()
    from pvt_exp.train import worker

    raise SystemExit(worker.main(Path(attempt), rank))


def _end_with(sentinel: int) -> None:
    """End this run when its driver ends, even by SIGKILL: that closes the pipe of the sentinel."""
    wait([sentinel])
    os.killpg(0, signal.SIGKILL)


def _end_group(process: BaseProcess) -> None:
    # A process that was only just forked may not lead a group of its own yet.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.pid is not None:
            os.killpg(process.pid, signal.SIGKILL)
    if process.pid is not None and process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def _stop(processes: list[BaseProcess]) -> None:
    """Ask the runs to stop, wait until they have written their checkpoints, and end what is left; Ctrl-C ends the wait."""
    processes = [process for process in processes if process.pid is not None]
    deadline = time.monotonic() + PATIENCE_S
    try:
        while (left := [each for each in processes if each.exitcode is None]) and time.monotonic() < deadline:
            for process in left:  # the run alone: it still needs the processes that load its images
                process.terminate()  # each second: one that was only just forked does not hear it yet
            wait([process.sentinel for process in left], timeout=1.0)
    finally:
        _end(processes)


def _gpus() -> tuple[int, ...]:
    """Numbers of the GPUs that a run could use, without starting CUDA here.

    Where ``CUDA_VISIBLE_DEVICES`` is set they count those that it names, up to the first that is not there, as in CUDA.
    """
    listed = _listed()
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return tuple(range(len(listed)))
    words = [word for word in map(str.strip, visible.split(",")) if word]
    return tuple(range(len(list(takewhile(lambda word: _is_there(word, listed), words)))))


def _is_there(word: str, listed: Sequence[str]) -> bool:
    """Whether a word of ``CUDA_VISIBLE_DEVICES``, a number or the beginning of an identifier, is one of the GPUs listed."""
    if word.isascii() and word.isdecimal():
        return int(word) < len(listed)
    if word.startswith("MIG-"):  # a part of a GPU; older drivers list it under another name
        return bool(listed)
    return word.startswith("GPU-") and any(f"UUID: {word}" in line or "UUID" not in line for line in listed)


@cache
def _listed() -> tuple[str, ...]:
    """A line for each GPU of this machine: what nvidia-smi lists, or where there is none the device files."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return tuple(sorted(path.name for path in DEVICES.glob("nvidia[0-9]*")))
    return tuple(line for line in listed.stdout.splitlines() if line.startswith("GPU "))
