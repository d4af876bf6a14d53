"""Exceptions by which a run's process ends itself. Their fields decide what is done about it, never their words."""

from typing import Any, ClassVar, Literal


class RunEnded(Exception):
    """Ends a run without a result; ``end.json`` gets its fields."""

    state: ClassVar[Literal["diverged", "killed", "out_of_memory", "pruned"]]
    cause: ClassVar[Literal["stopped", "no_smaller_batch"] | None] = None
    on_request: ClassVar[bool] = False
    """Whether the run was asked to end, which all its ranks then do at once."""

    @property
    def numbers(self) -> dict[str, Any]:
        """Further fields for ``end.json``."""
        return {}


class Stopped(RunEnded):
    """The run was asked to stop, and goes on from its checkpoint another time."""

    state, cause, on_request = "killed", "stopped", True


class Pruned(RunEnded):
    """The run was asked to end early, because it does worse than others."""

    state, on_request = "pruned", True


class NoSmallerBatch(RunEnded):
    """The run ran out of memory, and fewer images at once would be another run."""

    state, cause = "out_of_memory", "no_smaller_batch"
