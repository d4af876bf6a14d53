"""Published figures: each equals what the reference transcription has, and each can be named and told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pvt_exp import cli
from pvt_exp.config import ConfigError
from pvt_exp.plan import expand, published
from pvt_exp.plan.published import Figure
from tests.conftest import SHARED_DATA

FIGURES = published.every()
REFERENCE = SHARED_DATA.parent / "reference" / "published.yaml"
"""Facts with their sources, gathered by hand; it is not part of the project."""
CALLED = {  # there: here, of rows that have no plain backbone
    "Wider PVT-Small (C x 1.4)": "PVT-Small, channels x 1.4",
    "Deeper PVT-Small (= PVT-Medium)": "PVT-Medium",
    "PVTv1-Small": "PVT-Small",
    "+ OPE": "PVT-Small + overlapping patch embedding",
    "++ CFFN (= PVTv2-B2)": "PVTv2-B2",
    "+++ LSRA (= PVTv2-B2-Li)": "PVTv2-B2-Li",
}
SCORES = {"top1", "top5", "loss", "mIoU", "AR100", "time_ms", "train_memory_gb"}
SCORES |= {f"{of}AP{size}" for of in ("", "box_", "mask_") for size in ("", "50", "75", "s", "m", "l")}


def metric(name: str, method: str) -> str:
    """What this project calls a metric of the reference."""
    name = {"top1_acc": "top1", "top5_acc": "top5", "AR": "AR100"}.get(name, name)
    name = {"time_ms_per_image_V100": "time_ms", "train_memory_GB_per_GPU": "train_memory_gb"}.get(name, name)
    ap = re.fullmatch(r"AP(50|75|S|M|L)?(?:_(box|mask))?", name)
    if ap is None:
        return name
    size = (ap[1] or "").lower()
    return f"{ap[2]}_AP{size}" if ap[2] and "Mask" in method else f"AP{size}"


def is_of(figure: Figure, entry: dict[str, Any]) -> bool:
    """Whether the figure is the entry, number by number."""
    source = {"PVT v1": "v1", "PVT v2": "v2"}.get(entry["paper"][:6], "readme")
    source = "mmdetection" if entry.get("third_party") else source
    scores = {metric(name, entry["method"]): value for name, value in entry["metrics"].items() if value is not None}
    ours = {**figure.metrics, **figure.printed, **({"claim": figure.claim} if figure.claim else {})}
    return (
        figure.key.partition("/")[0] == source
        and (source not in ("v1", "v2") or entry["table"].startswith(figure.table))
        and figure.backbone == CALLED.get(entry["backbone"], entry["backbone"])
        and figure.method in (entry["method"], "")
        and (entry["schedule"] or "")[:2] == figure.schedule[:2]
        and (entry["params_M"] is None or figure.params == entry["params_M"])
        and (entry["gflops"] is None or figure.macs == entry["gflops"])
        and figure.confidence == entry["confidence"]
        and figure.outcome == entry.get("outcome")
        and all(ours.get(name) == value for name, value in scores.items())
        and set(figure.metrics) <= {name.removesuffix("_error") for name in scores}
    )


def test_every_figure_is_the_references() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"no reference at {REFERENCE}")
    entries = yaml.load(REFERENCE.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["entries"]
    met: set[str] = set()
    for entry in entries:
        found = [figure.key for figure in FIGURES if is_of(figure, entry)]
        assert found, entry
        met.update(found)
    assert met == {figure.key for figure in FIGURES}


def test_a_figure_is_found_by_its_reference_and_says_whence_it_is() -> None:
    for figure in FIGURES:
        assert published.find(figure.key) is figure
        assert figure.cite
        assert figure.table
        assert figure.data
        assert figure.kind in ("paper", "readme", "third party")
        assert figure.confidence in ("high", "medium")


def test_metrics_are_called_and_scaled_as_in_results() -> None:
    for figure in FIGURES:
        assert set(figure.metrics) <= SCORES, figure.key
        assert all(0.5 < value < 100 for value in figure.metrics.values()), figure.key
        assert figure.params is None or 1 < figure.params < 200
        assert figure.metrics or figure.claim or figure.outcome or figure.params, figure.key


def test_a_printed_error_is_told_and_becomes_a_score() -> None:
    small = published.find("v1/table2/PVT-Small")
    assert (small.metrics, small.printed) == ({"top1": 79.8}, {"top1_error": 20.2})
    assert published.find("v2/table2/PVT-Small").metrics == {"top1": 79.8}


def test_rows_of_both_papers_agree() -> None:
    """v2 prints the accuracy of v1's models, v1 their error."""
    for name in ("PVT-Tiny", "PVT-Small", "PVT-Medium", "PVT-Large", "DeiT-Small/16"):
        v1, v2 = (published.find(f"{paper}/table2/{name}") for paper in ("v1", "v2"))
        assert (v1.metrics, v1.params, v1.macs) == (v2.metrics, v2.params, v2.macs)
    for size in ("ResNet18", "ResNet50", "ResNet101"):  # v2's are those that v1 marks as the CNNs' own
        assert (
            published.find(f"v1/table2/{size}*").metrics["top1"] == published.find(f"v2/table2/{size}").metrics["top1"]
        )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("v1/table2/PVT-Smal", "no published figure 'v1/table2/PVT-Smal'; did you mean v1/table2/PVT-Small"),
        ("v1/xyz", "no published figure 'v1/xyz'; v1 has table2, table3/1x, "),
        ("v3/table2/PVT-Small", "no published figures called 'v3/table2/PVT-Small'; a reference begins with mmdetec"),
        ("", "no published figures called ''; a reference begins with mmdetection, readme, v1, v2"),
    ],
)
def test_a_reference_that_does_not_exist_is_told_with_the_nearest(key: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        published.find(key)
    assert str(error.value).startswith(said)


# ---------------------------------------------------------------- beside the rows of a sweep

PRODUCT = """\
base: base.yaml
blocks:
  - product:
      depth: {deep: {backbone.depths: [2, 1, 1, 1]}, flat: {}}
      width: {wide: {backbone.mlp_ratios: [4, 4, 4, 4]}, narrow: {}}
"""


def beside(experiment: Path, text: str) -> dict[str, list[str]]:
    path = experiment.with_name("sweep.yaml")
    path.write_text(PRODUCT + text)
    return {v.name: [figure.key for figure in v.published] for v in expand.load(path)[1].variants if v.published}


def test_a_row_is_named_as_it_is_called_or_by_its_choices(experiment: Path) -> None:
    text = "published:\n  deep, wide: v1/table2/PVT-Small\n  depth deep, width wide: [v1/table2/PVT-Large]\n"
    found = beside(experiment, text + "  flat, narrow: [readme/imagenet/PVT-Tiny, v2/table2/PVT-Tiny]\n")
    assert found == {
        "depth deep, width wide": ["v1/table2/PVT-Small", "v1/table2/PVT-Large"],
        "base": ["readme/imagenet/PVT-Tiny", "v2/table2/PVT-Tiny"],
    }
    assert beside(experiment, "published:\n  base: v1/table2/PVT-Small\n") == {"base": ["v1/table2/PVT-Small"]}


def test_what_is_published_is_no_part_of_a_run(experiment: Path) -> None:
    path = experiment.with_name("sweep.yaml")
    path.write_text(PRODUCT)
    before = [run.id for run in expand.load(path)[1].runs]
    beside(experiment, "published: {'deep, wide': v1/table2/PVT-Small}\n")
    assert [run.id for run in expand.load(path)[1].runs] == before


def test_a_row_that_where_removes_is_a_row(experiment: Path) -> None:
    text = "published:\n  deep, wide: v1/table2/PVT-Small\nwhere: backbone.depths[0] == 1\n"
    assert beside(experiment, text) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "  deep, wid: v1/table2/PVT-Small",
            "sweep.yaml:7: published: the sweep has no row 'deep, wid'; did you mean ",
        ),
        (
            "  zzz: v1/table2/PVT-Small",
            "sweep.yaml:7: published: the sweep has no row 'zzz'; it has depth deep, width ",
        ),
        (
            "  deep, wide: v1/table2/PVT-Smal",
            "sweep.yaml:7: published: no published figure 'v1/table2/PVT-Smal'; did you",
        ),
        ("  deep, wide: []", "sweep.yaml:7: published.deep, wide: must have at least 1 entries"),
        ("  deep, wide: 3", "sweep.yaml:7: published.deep, wide: must be a list, such as [3], not 3"),
    ],
)
def test_what_is_wrong_there_is_told_with_its_line(experiment: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        beside(experiment, f"published:\n{text}\n")
    assert said in str(error.value)


def test_a_name_of_two_rows_is_told(experiment: Path) -> None:
    path = experiment.with_name("sweep.yaml")
    axes = "depth: {more: {backbone.depths: [2, 1, 1, 1]}}, heads: {more: {backbone.heads: [2, 2, 2, 2]}}"
    path.write_text(
        f"base: base.yaml\nblocks:\n  - one_at_a_time: {{{axes}}}\npublished: {{more: v1/table2/PVT-Small}}\n"
    )
    with pytest.raises(ConfigError, match="several rows are called 'more'; write depth more or heads more"):
        expand.load(path)


def test_the_plan_shows_what_is_published(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside(experiment, "published: {'deep, wide': [v1/table2/PVT-Small, readme/imagenet/PVT-Small]}\n")
    monkeypatch.chdir(experiment.parent)
    said = CliRunner().invoke(cli.app, ["plan", "sweep.yaml"]).output
    assert "published top1" in said
    assert "79.8 v1, 79.8 readme" in said
    read = json.loads(CliRunner().invoke(cli.app, ["plan", "sweep.yaml", "--json"]).output)
    told = {each["name"]: each.get("published") for each in read["variants"]}
    assert told.pop("depth deep, width wide")[0]["key"] == "v1/table2/PVT-Small"
    assert set(told.values()) == {None}


def test_figures_are_listed_by_how_their_references_begin() -> None:
    said = CliRunner().invoke(cli.app, ["published", "mmdetection/retinanet/PVTv2"]).output
    assert said.count("mmdetection/retinanet/PVTv2-B") == 6
    assert "AP 44.6, train_memory_gb 16.2" in said
    read = json.loads(CliRunner().invoke(cli.app, ["published", "v1/table2/PVT-", "--json"]).output)
    assert [figure["backbone"] for figure in read] == ["PVT-Tiny", "PVT-Small", "PVT-Medium", "PVT-Large"]
