"""What the backbones of the rows start from, and how much of it was loaded."""

import os.path
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pvt_exp.tables import Remark
from pvt_exp.tables._rows import Line

if TYPE_CHECKING:
    from pvt_exp.config.run import Pretrain, Run


def about_starts(lines: Sequence[Line]) -> tuple[list[str], list[tuple[Remark, ...]]]:
    """Sentences for the table where all rows start alike, and marks for each row where not; none where all are random."""
    starts = [start_of(line.variant.runs[0]) for line in lines]
    taken = [taken_over(line.results) for line in lines]
    unmarked: list[tuple[Remark, ...]] = [()] * len(lines)
    if not any(starts):
        return [], unmarked
    if len(set(starts)) == 1:
        ways = list(dict.fromkeys(filter(None, taken)))
        if len(ways) <= 1:
            return [f"All rows start from {starts[0]}{f'; {ways[0]}' if ways else ''}."], unmarked
        return [f"All rows start from {starts[0]}."], [(Remark(how),) if how else () for how in taken]
    return [], [
        (Remark(f"starts from {start}{f'; {how}' if how else ''}" if start else "starts from random weights"),)
        for start, how in zip(starts, taken, strict=True)
    ]


def start_of(run: "Run") -> str | None:
    """Where the backbone's weights come from, in words; None: they are random."""
    if run.pretrain is not None:
        return _pretraining(run.pretrain)
    given = run.backbone.pretrained
    if given is None:
        return None
    if given.timm:
        return f"timm's weights {given.timm}"
    return f"run {given.run}" if given.run else f"a checkpoint with sha256 {given.sha256[:12]}"


def _pretraining(pretrain: "Pretrain") -> str:
    path = PurePath(os.path.normpath(pretrain.experiment or "a pretraining run"))
    name = "/".join(part for part in path.parts[-2:] if part not in ("..", path.anchor))
    seed = "its seed" if pretrain.seed == "same" else f"seed {pretrain.seed}"
    weights = "moving average of the weights" if pretrain.weights == "ema" else "last weights"
    return f"{name}, pretrained with the row's architecture and {seed} ({weights})"


def taken_over(results: Sequence[Mapping[str, Any]]) -> str | None:
    """How the weights matched, by the reports in the results; None where none says it."""
    given = [result["provenance"].get("pretrained") or {} for result in results]
    reports = [each for each in given if all(each.get(name) is not None for name in ("matched", "resized", "missing"))]
    if not reports:
        return None
    fewest = min(reports, key=lambda report: report["matched"] + len(report["resized"]))
    resized, missing = len(fewest["resized"]), len(fewest["missing"])
    fit = fewest["matched"] + resized
    words = (
        f"{fit} of its {fit + missing} tensors were loaded" if missing else "all tensors of the backbone were loaded"
    )
    return words + (f", {resized} of them interpolated" if resized else "")
