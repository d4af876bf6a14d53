"""A run that is asked to stop: where it trains, it writes a checkpoint first; within half a minute it is gone."""

import signal
import threading
from collections.abc import Callable

GRACE_S = 20.0
"""What a run may take to come to the end of a step and write a checkpoint."""


class Stopping:
    """Whether a run was asked to stop (SIGTERM, or the SIGUSR1 of a cluster that wants its machine back)."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self.asked = False
        self.training = False
        """Whether there is somebody who looks at `asked` after each step."""
        self._give_up = give_up

    def listen(self) -> None:
        """Take the signals."""
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """Ask it; where nothing is trained, at the second time, and when it takes too long, it is given up at once."""
        if self.asked or not self.training:
            self._give_up()
            return
        self.asked = True
        timer = threading.Timer(GRACE_S, self._give_up)
        timer.daemon = True
        timer.start()
