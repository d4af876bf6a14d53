"""Four drivers on one store, of the same sweep and of one that shares runs with it: every run is trained once."""

from pathlib import Path

import pytest

from tests import no_op
from tests.conftest import EXPERIMENT, PATIENCE_S
from tests.e2e.test_sweep import Driver, driver, results

__all__ = ["driver"]


@pytest.mark.slow
def test_overlapping_sweeps_train_nothing_twice(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    rates = ", ".join(f'"{n}": {{optim.lr: {n}e-4}}' for n in range(1, 6))
    for name, seeds in (("one", range(12)), ("other", range(6, 18))):
        text = f"base: base.yaml\nseeds: {list(seeds)}\nblocks:\n  - one_at_a_time: {{rate: {{{rates}}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    library = str(no_op.make(tmp_path / "lib"))
    words = ("--slots", "2", "--no-smoke")
    drivers = [driver("sweep", f"{name}.yaml", *words, PYTHONPATH=library) for name in ("one", "other", "one", "other")]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in drivers]
    for process, each in zip(drivers, said, strict=True):
        assert process.returncode == 0, each
    assert all("all 72 runs are done" in each for each in said)
    assert len(results(tmp_path)) == 6 * 18
    for run_id in results(tmp_path):
        tries = list((tmp_path / "runs" / run_id / "attempts").iterdir())
        assert [(path / "end.json").exists() for path in tries] == [True]
    (sharing,) = {len(list(path.iterdir())) for path in tmp_path.glob("runs/*/sweeps")} & {2}
    assert sharing
