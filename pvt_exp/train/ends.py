"""How an attempt ended whose process raised an exception: what ``end.json`` says of it.

Libraries have no classes for some errors, only texts. These are read here and nowhere else.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.store import attempts
from pvt_exp.store.states import Cause, State
from pvt_exp.system import files, machine
from pvt_exp.system.ends import RunEnded

NO_MEMORY = (
    "can't allocate memory", "Cannot allocate memory", "std::bad_alloc", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED",
)  # fmt: skip
"""What torch, the system and CUDA's libraries say where memory ran out, besides errors of a class of their own."""


class End(NamedTuple):
    """How an attempt ended."""

    state: State
    reason: str
    cause: Cause | None = None
    numbers: dict[str, Any] = {}  # noqa: RUF012  # never changed


def end_of(error: BaseException, attempt: Path, by: str) -> End:
    """How the attempt ended that raised this; ``by`` is what stopped it, if something did.

    An error of which it is not known yet what else to say is ``failed``.
    """
    if isinstance(error, RunEnded):
        reason = f"{stopped_by(attempt, by)}; {error}" if error.cause == "stopped" else str(error)
        return End(error.state, reason, error.cause, error.numbers | _more(error, attempt))
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    if isinstance(error, ValueError):
        reason = str(error)
    if is_out_of_memory(error):
        return End("out_of_memory", reason.removeprefix("MemoryError: "), numbers=_memory(attempt))
    if is_of_a_lost_rank(error):
        return End("failed", reason, "lost_rank")
    if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker"):
        first = str(error).splitlines()[0]
        if "Bus error" in first:  # trying again would mend nothing
            return End("failed", machine.shared_too_small(first))
        return End("killed", first)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {files.shown(error.filename)}" if error.filename else error.strerror
    return End("failed", reason)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of a GPU."""
    if isinstance(error, MemoryError) or _is_of(error, "torch", "OutOfMemoryError"):
        return True
    return any(text in str(error) for text in NO_MEMORY)


def is_of_a_lost_rank(error: BaseException) -> bool:
    """Whether another process of the run went away: NCCL has a class for that, gloo names its own source files."""
    if _is_of(error, "torch.distributed", "DistBackendError"):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)


def _is_of(error: BaseException, module: str, name: str) -> bool:
    """Whether an error is of a library's class; a library that was not imported has raised none."""
    known = getattr(sys.modules.get(module), name, None)
    return known is not None and isinstance(error, known)


def stopped_by(attempt: Path, by: str) -> str:
    """The reason of an attempt that was asked to stop: by whom, as far as its driver has said so, else ``by``."""
    return f"stopped by {attempts.stopped(attempt) or by}"


def _more(error: RunEnded, attempt: Path) -> dict[str, Any]:
    """What the attempt's folder tells besides: where it diverged, the last good checkpoint; out of memory, what was held."""
    if error.state == "out_of_memory":
        return _memory(attempt)
    if error.state != "diverged":
        return {}
    kept = attempts.all_checkpoints(attempts.run_folder(attempt))
    return {"checkpoint": str(kept[0]) if kept else None}


def _memory(attempt: Path) -> dict[str, Any]:
    """What an attempt held when memory ran out; to say so takes some, too."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    placement, run = config.load(Placement, attempt / "placement.yaml"), store.load(attempts.run_folder(attempt))
    held: dict[str, Any] = {
        "micro_batch": placement.micro_batch or run.ghost_batch_size,
        "memory_gb": placement.memory_gb,
    }
    held["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if placement.gpus and (torch := sys.modules.get("torch")) is not None:
        held |= {"gpu_peak_bytes": torch.cuda.max_memory_allocated(), "gpu_bytes": torch.cuda.mem_get_info()[1]}
    return held
