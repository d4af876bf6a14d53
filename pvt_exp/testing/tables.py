"""What a table promises to the files that are written of it."""

from pathlib import Path
from typing import Any, ClassVar

import yaml

from pvt_exp.plan import Plan, expand
from pvt_exp.store.outcome import Outcome
from pvt_exp.tables import Source
from pvt_exp.testing.contract import SMALL, Contract

BLOCKS = [{"one_at_a_time": {"depth": {"deeper": {"backbone.depths": [2, 1, 1, 1]}}}}]


class TableContract(Contract):
    """``settings`` of a table, built of a sweep of two variants and two seeds, as often as it has ``sweeps``."""

    group: ClassVar[str] = "tables"
    sweep_fields: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it
    """What else the sweep's file says."""

    def _plan(self, folder: Path) -> Plan:
        folder.mkdir(exist_ok=True)
        sweep: dict[str, Any] = {"base": "base.yaml", "seeds": [0, 1], "blocks": BLOCKS, **self.sweep_fields}
        for name, written in (("base", SMALL), ("sweep", sweep)):
            (folder / f"{name}.yaml").write_bytes(yaml.safe_dump(written).encode())
        return expand.load(folder / "sweep.yaml")[1]

    def _built(self, folder: Path, done: bool) -> Any:
        plan = self._plan(folder)
        outcomes = {}
        for number, run in enumerate(plan.runs):
            scores = {each.name: 50.0 + number for each in run.task.declared}
            result = {
                "format": 1, "metrics": scores, "epoch": 1, "best": {"epoch": 1, "metrics": scores},
                "cost": {"params": 10, "trainable_params": 10, "macs": 10, "input_px": [32, 32]},
                "data": {"name": "shapes", "fingerprint": "f" * 16, "images": {"train": 12, "val": 6}, "skipped": 0},
                "provenance": {"git": {"sha": "a" * 40, "dirty": False, "diff_sha256": None}, "seconds": 1.0},
            }  # fmt: skip
            outcomes[run.id] = Outcome(run.id, "done", result=result) if done else Outcome(run.id, "pending")
        return plan, self.settings.build([Source(plan, outcomes)] * len(self.settings.sweeps))

    def test_it_has_a_row_of_each_variant_and_a_cell_of_each_column(self, tmp_path: Path) -> None:
        for done in (True, False):
            plan, table = self._built(tmp_path, done)
            assert len(table.rows) >= len(plan.variants)
            assert all(len(row.cells) == len(table.columns) for row in table.rows)
            assert not any(cell.remarks for row in table.rows for cell in row.cells), "notes without a mark"

    def test_it_has_only_the_numbers_of_runs_that_are_done(self, tmp_path: Path) -> None:
        measured = ("metric", "difference", "p")
        for done in (True, False):
            _, table = self._built(tmp_path, done)
            cells = [
                cell for row in table.rows
                for column, cell in zip(table.columns, row.cells, strict=True) if column.kind in measured
            ]  # fmt: skip
            assert done or all(cell.value is None for cell in cells)
            assert done or all(cell.missing for cell in cells[:1]), "no reason stands in the place of a number"

    def test_every_row_is_in_its_files(self, tmp_path: Path) -> None:
        from pvt_exp.report import formats

        _, table = self._built(tmp_path, done=True)
        written = formats.to_csv(table)
        assert all(row.name in written for row in table.rows)
