"""Every page of tables in reports/ can be read, and gives its tables without results and with some."""

from pathlib import Path
from typing import Any, get_args

import pytest

from pvt_exp import config, report
from pvt_exp.plan import expand
from pvt_exp.report.page import Report
from pvt_exp.store.outcome import Outcome
from pvt_exp.tables import Cell, Source
from tests.conftest import ROOT
from tests.unit.test_tables import result

FILES = sorted((ROOT / "reports").glob("*.yaml"))
AP = [f"{of}AP{at}" for of in ("", "box_", "mask_") for at in ("", "50", "75", "s", "m", "l")]
SCORES = ("top1", "top5", "mIoU", "pixel_accuracy", *AP)


def made_up(source: Source) -> Source:
    """The sweep with a result for each run, which has every metric."""
    outcomes = {}
    for i, run in enumerate(source.plan.runs):
        made: dict[str, Any] = result(30.0 + i)
        made["metrics"] = {name: 30.0 + i + place / 7 for place, name in enumerate(SCORES)}
        made["best"]["metrics"] = made["metrics"]
        outcomes[run.id] = Outcome(run.id, "done", None, made)
    return Source(source.plan, outcomes)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_report_gives_its_tables(path: Path) -> None:
    page = config.load(Report, path)
    for settings in page.tables:
        sources = [Source(expand.load(path.parent / sweep)[1], {}) for sweep in settings.sweeps]
        assert all(source.plan.runs for source in sources)
        empty, full = settings.build(sources), settings.build([made_up(source) for source in sources])
        assert not any(cell.best for row in empty.rows for cell in row.cells)
        assert all(
            cell.text
            for row in full.rows
            for cell in row.cells
            if cell not in (Cell(), Cell(0.0)) and cell.missing is None
        )
        assert len(full.rows) == len(empty.rows) > 1
        for table in (empty, full):
            assert all(report.render(table, form) for form in get_args(report.Format))
