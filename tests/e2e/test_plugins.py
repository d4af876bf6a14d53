"""A package that adds a backbone, whose code changes while a sweep runs and between two."""

import json
from pathlib import Path

import pytest

from tests.conftest import EXPERIMENT, PATIENCE_S, Cli
from tests.e2e.test_sweep import Driver, driver, results, wait_for
from tests.plugin import WIDE, install

__all__ = ["driver"]

LATE = """
    def build(self, *words, **more):
        from wide import late

        return late.changed(super().build(*words, **more))
"""


@pytest.mark.slow
def test_the_code_of_a_package_is_frozen_and_told(sweep: Path, driver: Driver, cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    late = {"wide/late.py": "def changed(backbone):\n    return backbone\n"}
    install(site, "pvt-wide", {"backbones/wide": "wide"}, {"wide/__init__.py": WIDE + LATE, **late}, editable=True)
    (tmp_path / "base.yaml").write_text(EXPERIMENT.replace("kind: pvt", "kind: wide").replace("epochs: 2", "epochs: 6"))
    here = {"PYTHONPATH": str(site)}
    process = driver("sweep", "sweep.yaml", "--slots", "1", **here)
    wait_for(lambda: bool(results(tmp_path)))
    (site / "wide/late.py").write_text("raise RuntimeError('edited')\n")
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    made = [each["provenance"]["packages"]["pvt-wide"] for each in results(tmp_path).values()]
    assert len({each["files_sha256"] for each in made}) == 1, "all runs are of the code that stood when it was launched"
    assert made[0]["kinds"] == ["backbones/wide"]
    assert made[0]["version"] == "1.0"

    (site / "wide/late.py").write_text("def changed(backbone):\n    return backbone  # in another way\n")
    told = "4 of the 4 finished runs were made by other code of pvt-wide than is here now: base; depth deeper"
    assert told in cli("plan", "sweep.yaml", **here).stdout
    found = json.loads(cli("plan", "sweep.yaml", "--json", **here).stdout)
    assert [run["other_code"] for row in found["variants"] for run in row["runs"]] == [["pvt-wide"]] * 4
    first = found["variants"][0]["runs"][0]["id"]
    said = cli("sweep", "sweep.yaml", "--seeds", "0-2", "--only", "base", "epochs=6", **here).stdout
    assert (
        "2 of the 2 finished runs were made by other code of pvt-wide than is here now: base (pvt-exp retrain" in said
    )
    table = cli("report", "sweep.yaml", "--seeds", "0-2", **here).stdout
    assert "its runs are of different code: seeds 0, 1 by pvt-wide" in " ".join(table.split())
    cli("retrain", first, **here)
    again = results(tmp_path)[first]["provenance"]
    assert again["attempt"] == 2
    assert again["resumed"] == 0
    assert again["packages"]["pvt-wide"]["files_sha256"] != made[0]["files_sha256"]
    assert "3 of the 4 finished runs" in cli("plan", "sweep.yaml", **here).stdout
