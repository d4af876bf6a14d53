"""A run that is asked to stop: where it trains, it writes a checkpoint first; within half a minute it is gone.

A cluster sends its signal to every process of a job: the driver, which asks its runs, the runs, and what serves them.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

SIGNALS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP") if hasattr(signal, name))
"""A person's or a cluster's; those of clusters that want their machine back soon; that of a terminal which has gone."""
CTRL_C = "Ctrl-C"
GRACE_S = 20.0
"""What a run may take to come to the end of a step and write a checkpoint."""


class Stopping:
    """Whether a run was asked to stop."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self.asked = False
        self.by = CTRL_C
        """What asked."""
        self.training = False
        """Whether there is somebody who looks at `asked` after each step."""
        self._give_up = give_up

    def listen(self) -> None:
        """Take the signals."""
        for number in SIGNALS:
            signal.signal(number, lambda number, _: self.ask(in_words(number)))

    def ask(self, by: str) -> None:
        """Ask it, which a cluster and the driver may both do; where nothing is trained, it is given up at once."""
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
    """Meanwhile the first of the signals ends what this process does as Ctrl-C does; those that follow change nothing."""

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
    """Leave them to others: what serves a run, or a driver, is there until that is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def in_words(number: int) -> str:
    """What stopped a run or a driver, and who that is: ``SIGTERM (from a person or the machine)``."""
    who = "its terminal was closed" if name(number) == "SIGHUP" else "from a person or the machine"
    return f"{name(number)} ({who})"


def by(asked: BaseException) -> str:
    """What stopped a driver that was ended by this."""
    if isinstance(asked, KeyboardInterrupt):
        return str(asked) or CTRL_C
    return f"its driver, {asked}"


def name(number: int) -> str:
    """``SIGKILL``; signals that have no name here are ``signal 35``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def heed() -> None:
    """End by them, in a process that was forked from one that ignores them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
