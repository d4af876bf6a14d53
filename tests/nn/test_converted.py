"""The same set of boxes and masks in three forms of files: training on each gives the same figures."""

from pathlib import Path
from typing import Any

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.system import files
from pvt_exp.train import fit
from tests.nn.test_dense_training import run
from tests.unit.test_voc_yolo import COCO, as_voc, as_yolo, drawn


@pytest.mark.parametrize("task", ["detection", "instance"])
def test_voc_and_yolo_score_as_the_same_set_in_cocos_json(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    documents = drawn(data)
    forms = [COCO, as_voc(data, documents), as_yolo(data, documents, polygons=True)]
    results = [trained(run(task, dataset=each.model_dump(), epochs=1, batch_size=4), data, tmp_path) for each in forms]
    assert results[0]["metrics"], "there is something to compare"
    assert [each["metrics"] for each in results] == [results[0]["metrics"]] * 3
    assert [each["per_class"] for each in results] == [results[0]["per_class"]] * 3


def trained(each: Run, data: Path, folder: Path) -> dict[str, Any]:
    where = Placement(data=str(data), threads=1)
    assert fit.fit(each, where, store.attempt(folder / "runs", each, where, "test"))
    result = files.read_json(folder / "runs" / each.id / "result.json")
    assert result is not None
    return result
