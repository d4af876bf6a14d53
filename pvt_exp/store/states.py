"""The states that a run can be in."""

from collections.abc import Callable
from typing import Literal

State = Literal[
    "done", "failed", "diverged", "out_of_memory", "timed_out", "killed", "pruned", "running", "submitted",
    "pending", "stale",
]  # fmt: skip
"""``submitted``: a launcher's queue has it, and no process of it has begun."""
ENDED: tuple[State, ...] = ("failed", "diverged", "out_of_memory", "timed_out", "killed", "pruned")
"""Those in which an attempt ends without a result."""
Cause = Literal["stopped", "no_smaller_batch", "lost_rank", "result_not_valid"]
"""Why a run ended as it did, where that decides what is done about it.

It was asked to stop; it ran out of memory, and fewer images at once would be another run; another process of the run went
away; its ``result.json`` does not count.
"""
RETRYABLE: tuple[State, ...] = ("pending", "killed")
"""States that the same command tries again; the others wait for ``--retry``."""
GOING: tuple[State, ...] = ("running", "submitted")
"""States of a run that somebody trains, or that waits in the queue of a launcher."""
COLOURS: dict[State, str] = {
    "done": "green", "running": "cyan", "submitted": "blue", "pending": "dim", "killed": "yellow", "stale": "yellow",
    "pruned": "yellow", "failed": "red", "diverged": "red", "out_of_memory": "red", "timed_out": "red",
}  # fmt: skip
"""In which each is printed."""
OnEnd = Callable[[State, str], None]
"""Is told in which state a run ended, and why."""
