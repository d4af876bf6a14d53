"""A run that is asked to stop: where it trains, it writes a checkpoint first; within half a minute it is gone.

A cluster sends its signal to every process of a job: the driver, which asks its runs, the runs, and what serves them.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP") if hasattr(signal, name))
"""SIGTERM: a person or a cluster. SIGUSR1 and SIGUSR2: preemption notice. SIGHUP: the terminal was closed."""
CTRL_C = "Ctrl-C"
GRACE_S = 20.0
"""Time that a run has to finish its step and write a checkpoint."""


class Stopping:
    """Whether a run was asked to stop."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self.asked = False
        self.by = CTRL_C
        """What asked it to stop."""
        self.training = False
        """Whether a training loop checks `asked` after each step."""
        self._give_up = give_up

    def listen(self) -> None:
        """Install handlers for the signals."""
        for number in SIGNALS:
            signal.signal(number, lambda number, _: self.ask(in_words(number)))

    def ask(self, by: str) -> None:
        """Ask the run to stop; later calls change nothing. Where nothing is trained yet, it ends at once."""
        if self.asked:
            return
        self.asked, self.by = True, by
        if not self.training:
            self._give_up()
            return
        timer = threading.Timer(GRACE_S, self._give_up)
        timer.daemon = True
        timer.start()


@contextlib.contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Inside, the first of the signals raises KeyboardInterrupt; those that follow are ignored."""

    def stop(number: int, frame: object) -> None:
        ignore()
        raise KeyboardInterrupt(in_words(number))

    # nohup ignores SIGHUP, so that a sweep outlives its terminal; the others stop it whatever it was started with.
    heard = [each for each in SIGNALS if each.name != "SIGHUP" or signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore() -> None:
    """Ignore the signals: helper processes live as long as the process that they serve."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def in_words(number: int) -> str:
    """The signal's name and its likely sender: ``SIGTERM (from a person or the machine)``."""
    who = "its terminal was closed" if name(number) == "SIGHUP" else "from a person or the machine"
    return f"{name(number)} ({who})"


def by(asked: BaseException) -> str:
    """The reason that a run is given when its driver was stopped by this exception."""
    if isinstance(asked, KeyboardInterrupt):
        return str(asked) or CTRL_C
    return f"its driver, {asked}"


def name(number: int) -> str:
    """``SIGKILL``; signals without a name are ``signal 35``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def heed() -> None:
    """Restore the default handlers, in a process that was forked from one that ignores the signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def counting_interrupts() -> Iterator[list[int]]:
    """The signals that came meanwhile and may have raised a KeyboardInterrupt, which code of others raises too."""
    came: list[int] = []
    before = {
        number: handler for number in (signal.SIGINT, *SIGNALS) if callable(handler := signal.getsignal(number))
    }  # those that are ignored, or end the process, stay so

    def note(number: int, frame: Any) -> None:
        came.append(number)
        before[number](number, frame)  # type: ignore[index]

    is_main = threading.current_thread() is threading.main_thread()  # only there signals are handled
    for number in before if is_main else ():
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in before.items() if is_main else ():
            if signal.getsignal(number) is note:  # the module may have set one of its own
                signal.signal(number, handler)
