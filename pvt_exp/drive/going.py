"""An attempt that this driver has launched and whose process is not gone yet."""

import contextlib
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvt_exp.config.placement import Placement
from pvt_exp.launchers import Slot
from pvt_exp.store import attempts, progress
from pvt_exp.system import heartbeat


@dataclass(frozen=True)
class Going:
    """How such an attempt was placed, and how far it is; a new one takes its place when that changes."""

    attempt: Path
    slot: Slot
    placement: Placement
    lock: ExitStack
    """Shows others that the run is taken, as its process needs seconds until it holds its own lock."""
    moved: float
    """When, in seconds of the driver's clock, it was launched, its process began, or its newest progress was first seen."""
    progress: dict[str, Any] | None = None
    """Its newest ``progress.json``."""
    first: tuple[float, float] | None = None
    """When, on the monotonic clock, its first progress was seen, and what fraction of the run that was."""
    is_queued: bool = False
    """Whether its launcher has a queue, and its process has not begun."""
    signs: int = 1
    """Signs of life that the driver has given for it, while it waits."""
    is_hung: bool = False
    """Whether it is to be killed, because it made no step for too long."""

    def looked_at(self, now: float) -> "Going":
        """With the progress that it has made by ``now``, in seconds of the driver's clock."""
        if self.is_queued:
            return self._waited(now)
        newest = progress.read(self.attempt)
        if newest is None or newest == self.progress:
            return self
        return replace(self, progress=newest, moved=now, first=self.first or (time.monotonic(), newest["fraction"]))

    def _waited(self, now: float) -> "Going":
        """In the queue: steps are due from the process's first sign of life on, and until then the driver gives its own."""
        if attempts.has_begun(self.attempt):
            return replace(self, is_queued=False, moved=now)
        if now - self.moved < heartbeat.BEAT_S:
            return self
        with contextlib.suppress(OSError):  # the process may begin at this moment, and give its first
            heartbeat.give_sign(self.attempt, -1 - self.signs)
        return replace(self, signs=self.signs + 1, moved=now)

    @property
    def fraction(self) -> float:
        """What fraction of the run is done."""
        return float((self.progress or {}).get("fraction", 0.0))

    def seconds_per_run(self) -> float | None:
        """What the whole run takes at the pace that it had since its first progress; None: too little was seen of it."""
        since, at_first = self.first or (0.0, self.fraction)
        if self.fraction - at_first <= 0.02:
            return None
        return (time.monotonic() - since) / (self.fraction - at_first)


def end_hung(attempt: Path, why: str) -> None:
    """Record that an attempt made no step for too long, with the last error in its log."""
    error = attempts.last_error(attempt)
    attempts.end(attempt, "timed_out", f"{why}; the last error in its log: {error}" if error else why)
