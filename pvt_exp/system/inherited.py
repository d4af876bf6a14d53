"""Removes environment variables of Slurm, torchrun and MPI about ranks.

Our launcher sets the ranks of a run. Lightning and others would take them from these variables: a process with rank 3
writes no curves, and one of 2 tasks waits for the other.
"""

import os
from collections.abc import Mapping

PREFIXES = ("SLURM_", "PMI_", "PMIX_", "OMPI_", "JSM_", "LSB_", "TORCHELASTIC_", "MASTER_", "MV2_", "MPI_")
NAMES = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "NODE_RANK"),
    *("ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE", "XRT_SHARD_WORLD_SIZE", "TPU_PROCESS_ADDRESSES"),
)
KEPT = ("SLURM_JOB_ID", "SLURM_TMPDIR")
"""Variables that are kept: they say nothing about ranks."""


def is_foreign(name: str) -> bool:
    """Whether a variable describes ranks of Slurm, torchrun or MPI."""
    return name in NAMES or (name.startswith(PREFIXES) and name not in KEPT)


def cleared(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without them."""
    return {name: value for name, value in environment.items() if not is_foreign(name)}


def clear() -> None:
    """Take them out of this process's environment, before anything that heeds them is imported."""
    for name in filter(is_foreign, tuple(os.environ)):
        del os.environ[name]
