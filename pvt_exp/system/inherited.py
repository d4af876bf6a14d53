"""What the environment says of processes that others started together: Slurm, torchrun, MPI. A run is none of those.

A run, and every child that computes, is told its rank by who starts it. Lightning and others would take it from here: one
that is told rank 3 writes no curves, and one of "2 tasks" waits for the other.
"""

import os
from collections.abc import Mapping

PREFIXES = ("SLURM_", "PMI_", "PMIX_", "OMPI_", "JSM_", "LSB_", "TORCHELASTIC_", "MASTER_", "MV2_", "MPI_")
NAMES = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "NODE_RANK"),
    *("ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE", "XRT_SHARD_WORLD_SIZE", "TPU_PROCESS_ADDRESSES"),
)
KEPT = ("SLURM_JOB_ID", "SLURM_TMPDIR")
"""What says where a run is, and nothing of ranks."""


def is_foreign(name: str) -> bool:
    """Whether a variable is about processes that others started together."""
    return name in NAMES or (name.startswith(PREFIXES) and name not in KEPT)


def cleared(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without them."""
    return {name: value for name, value in environment.items() if not is_foreign(name)}


def clear() -> None:
    """Take them out of this process's environment, before anything that heeds them is imported."""
    for name in filter(is_foreign, tuple(os.environ)):
        del os.environ[name]
