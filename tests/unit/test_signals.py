"""Which signals stop a run and a driver."""

import multiprocessing
import os
import signal
import time
from typing import Any

import pytest

from pvt_exp.system import signals

ALL = [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]


def _train(said: Any, over: Any) -> None:
    signals.ignore()  # as the server of runs does
    signals.heed()
    run = signals.Stopping(lambda: os._exit(3))
    run.listen()
    run.training = True
    said.put("ready")
    while not run.asked:
        time.sleep(0.01)
    os._exit(5)


def _drive(said: Any, over: Any, ignored: bool) -> None:
    signals.heed()  # whatever the process of the tests was started with
    signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with signals.as_ctrl_c():
            said.put("ready")
            over.poll(60)
            time.sleep(0.3)  # a signal that came just before is heard in it
    except KeyboardInterrupt:
        os._exit(5)
    os._exit(7)


@pytest.mark.parametrize("number", ALL)
@pytest.mark.parametrize(("target", "more"), [(_train, ()), (_drive, (False,))])
def test_a_run_and_a_driver_hear_each(target: Any, more: tuple[Any, ...], number: int) -> None:
    assert _end(target, number, *more) == 5


def test_a_driver_under_nohup_outlives_its_terminal() -> None:
    assert _end(_drive, signal.SIGHUP, True) == 7
    assert _end(_drive, signal.SIGTERM, True) == 5


def _end(target: Any, number: int, *more: Any) -> int | None:
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    over, tell = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(said, over, *more))
    process.start()
    assert said.get(timeout=60) == "ready"
    assert process.pid is not None
    os.kill(process.pid, number)
    tell.send(None)
    process.join(60)
    return process.exitcode


def test_who_stopped_it_is_told_in_words() -> None:
    asked: list[str] = []
    run = signals.Stopping(lambda: asked.append(run.by))
    run.ask(signals.in_words(signal.SIGTERM))
    run.ask("another")
    assert asked == ["SIGTERM (from a person or the machine)"]
    assert signals.in_words(signal.SIGHUP) == "SIGHUP (its terminal was closed)"
    assert signals.by(KeyboardInterrupt()) == "Ctrl-C"
    assert signals.by(KeyboardInterrupt(signals.in_words(signal.SIGUSR1))).startswith("SIGUSR1 (")


def test_signals_without_a_name() -> None:
    assert signals.name(signal.SIGKILL) == "SIGKILL"
    assert signals.name(signal.SIGRTMIN + 1) == f"signal {signal.SIGRTMIN + 1}"
