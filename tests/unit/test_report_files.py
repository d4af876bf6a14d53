"""Every page of tables in reports/ can be read, and names sweeps that can be expanded."""

from pathlib import Path

import pytest

from pvt_exp import config, expand
from pvt_exp.page import Report
from tests.conftest import ROOT

FILES = sorted((ROOT / "reports").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_report_names_sweeps_that_are_there(path: Path) -> None:
    page = config.load(Report, path)
    for table in page.tables:
        for sweep in table.sweeps:
            assert expand.load(path.parent / sweep)[1].runs
