"""Variables of Slurm, torchrun and MPI, which say nothing of our runs."""

import os

import pytest

from pvt_exp.system import inherited

FOREIGN = {
    "SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "pvt", "RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4",
    "MASTER_ADDR": "node7", "MASTER_PORT": "29500", "JSM_NAMESPACE_RANK": "2", "OMPI_COMM_WORLD_RANK": "2", "PMI_RANK": "1",
    "TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "1", "NODE_RANK": "1", "LSB_DJOB_RANKFILE": "f",
}  # fmt: skip
OWN = {"SLURM_TMPDIR": "/local", "SLURM_JOB_ID": "7", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "FRANK": "1"}


def test_variables_of_an_allocation_are_taken_away_and_others_stay() -> None:
    assert inherited.cleared({**FOREIGN, **OWN}) == OWN


def test_variables_of_an_allocation_are_taken_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**FOREIGN, **OWN}.items():
        monkeypatch.setenv(name, value)
    inherited.clear()
    assert not set(FOREIGN) & set(os.environ)
    assert all(os.environ[name] == value for name, value in OWN.items())
