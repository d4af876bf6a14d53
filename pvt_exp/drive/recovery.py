"""What a driver does about a run that did not end well: try it again, and how, or leave it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pvt_exp.config.run import Run
from pvt_exp.store.outcome import Outcome
from pvt_exp.system.words import several

HALVINGS = 4
"""Times that a micro-batch is halved before a run is left as out of memory."""


class Again(NamedTuple):
    """How to try a run again."""

    alone: bool = False
    """With nothing else on its GPU, or on the CPU."""
    micro_batch: int | None = None
    """Images at once; none: as many as the command says."""
    why: str | None = None

    @property
    def words(self) -> str:
        """What is said of it."""
        less = f"with {several(self.micro_batch, 'image')} at once" if self.micro_batch else ""
        return " ".join(word for word in ("alone" if self.alone else "", less) if word) or "from its checkpoint"


AS_BEFORE = Again()


@dataclass
class Tries:
    """How a run was tried in this call of the command; after it ran out of memory, in earlier ones too.

    What a run computes is never changed to make it pass: diverged runs, errors and hung runs are left for a person.
    """

    run: Run
    retries: int
    """Attempts in a row that may be killed without having come to a checkpoint."""
    fruitless: int = 0
    """Such attempts since the newest checkpoint."""
    how: Again | None = None
    """How it is placed now; none: as the command says."""
    halved: int = 0
    """Times that its micro-batch was halved."""
    again: Again | None = None
    """How it is tried again after its newest attempt; none: it is left, or that has not ended."""

    @property
    def alone(self) -> bool:
        """Whether nothing else may be on its GPU, or on the CPU."""
        return self.how is not None and self.how.alone

    def next(self, seen: Outcome, made_progress: bool, shared: bool, micro_batch: int) -> Again | None:
        """How to try the run again, an attempt at which has just ended; None: leave it.

        Args:
            seen: what became of it.
            made_progress: whether the attempt had come to a checkpoint.
            shared: whether others could have been on its GPU, or on the CPU.
            micro_batch: the images that it held at once.
        """
        self.again = None
        if seen.state == "killed" and seen.cause != "stopped":
            self.again = self._after_kill(made_progress)
        elif seen.state == "out_of_memory" and seen.cause != "no_smaller_batch":
            self.again = self._with_less(shared, micro_batch)
        return self.again

    def record(self) -> dict[str, Any]:
        """How a run that was out of memory is tried now, for the drivers that come after this one."""
        assert self.how is not None
        return {**self.how._asdict(), "words": self.how.words, "halved": self.halved}

    def recall(self, record: Mapping[str, Any]) -> None:
        """Go on where another driver has stopped."""
        self.how = Again(bool(record["alone"]), record["micro_batch"], record["why"])
        self.halved = record["halved"]

    def _after_kill(self, made_progress: bool) -> Again | None:
        self.fruitless = 0 if made_progress else self.fruitless + 1
        return (self.how or AS_BEFORE) if self.fruitless <= self.retries else None

    def _with_less(self, shared: bool, micro_batch: int) -> Again | None:
        why = f"ran out of memory with {several(micro_batch, 'image')} at once"
        if shared and not self.alone:
            self.how = Again(True, None, f"{why} beside others")
            return self.how
        smaller = [size for size in range(1, micro_batch // 2 + 1) if self.run.ghost_batch_size % size == 0]
        self.halved += 1
        if not smaller or self.halved > HALVINGS:
            return None
        self.how = Again(True, smaller[-1], why)
        return self.how
