"""What a driver does about a run that did not end well: try it again, and how, or leave it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class Recovery:
    """Remembers, for one call of the command, how each run was tried; of those out of memory for the next ones too.

    What a run computes is never changed to make it pass: diverged runs, errors and hung runs are left for a person.
    """

    retries: int
    """Attempts in a row that may be killed without having come to a checkpoint."""
    fruitless: dict[str, int] = field(default_factory=dict)
    how: dict[str, Again] = field(default_factory=dict)
    """How each run that was changed is tried now."""
    halved: dict[str, int] = field(default_factory=dict)

    def next(self, run: Run, seen: Outcome, made_progress: bool, shared: bool, micro_batch: int) -> Again | None:
        """How to try the run again, which has just ended so; None: leave it.

        Args:
            run: the run.
            seen: what became of it.
            made_progress: whether the attempt had come to a checkpoint.
            shared: whether others could have been on its GPU, or on the CPU.
            micro_batch: the images that it held at once.
        """
        if seen.state == "killed":
            return self._after_kill(run, seen, made_progress)
        if seen.state == "out_of_memory" and seen.cause != "no_smaller_batch":
            return self._with_less(run, shared, micro_batch)
        return None

    def record(self, run_id: str) -> dict[str, Any]:
        """How a run that was out of memory is tried now, for the drivers that come after this one."""
        how = self.how[run_id]
        return {**how._asdict(), "words": how.words, "halved": self.halved.get(run_id, 0)}

    def recall(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Go on where another driver has stopped."""
        self.how[run_id] = Again(bool(record["alone"]), record["micro_batch"], record["why"])
        self.halved[run_id] = record["halved"]

    def _after_kill(self, run: Run, seen: Outcome, made_progress: bool) -> Again | None:
        if seen.cause == "stopped":
            return None
        count = 0 if made_progress else self.fruitless.get(run.id, 0) + 1
        self.fruitless[run.id] = count
        return self.how.get(run.id, AS_BEFORE) if count <= self.retries else None

    def _with_less(self, run: Run, shared: bool, micro_batch: int) -> Again | None:
        why = f"ran out of memory with {several(micro_batch, 'image')} at once"
        if shared and not self.how.get(run.id, AS_BEFORE).alone:
            self.how[run.id] = Again(True, None, f"{why} beside others")
            return self.how[run.id]
        smaller = [size for size in range(1, micro_batch // 2 + 1) if run.ghost_batch_size % size == 0]
        self.halved[run.id] = self.halved.get(run.id, 0) + 1
        if not smaller or self.halved[run.id] > HALVINGS:
            return None
        self.how[run.id] = Again(True, smaller[-1], why)
        return self.how[run.id]
