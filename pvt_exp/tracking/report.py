"""The end of a sweep as a run of W&B: its table, its files as an artifact, and an alert where they are wanted.

W&B takes seconds to import and may wait for its server, so a process of its own does it, with a time limit,
in the folder ``runs/reports/SWEEP``. It sends ``next.json``, which is then renamed ``told.json``.
"""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pvt_exp import config
from pvt_exp.config.placement import Tracking
from pvt_exp.system import children, files
from pvt_exp.system.words import are, several
from pvt_exp.tracking import client

MOST_CHARS = 100
"""Of a name of W&B; longer ones end in a hash."""
LIMIT_S = {"online": 20.0, "offline": 60.0}
"""Time limit of the process. Offline it waits for no server, and is slow only on an overloaded machine."""


def tell(table: dict[str, Any], paths: Sequence[Path], tracking: Tracking, runs: Path, part: str = "") -> None:
    """Tell W&B how a sweep stands, if that is not what it was told last; never raises, and takes `LIMIT_S` at most.

    Args:
        table: the sweep's table, as `report.as_json` has it.
        paths: the files of the report.
        tracking: the command's.
        runs: the run store; W&B's files go to ``reports/SWEEP/wandb`` in it.
        part: what of the sweep the table holds, where that is not all of it; it has a run of W&B of its own.
    """
    if tracking.mode == "disabled":
        return
    name = ".".join(filter(None, (table["name"], part)))
    folder = runs / "reports" / name
    told = {
        "name": name,
        "table": table,
        "files": [str(path.resolve()) for path in paths],
        "tracking": tracking.model_dump(),
    }
    if (files.read_json(folder / "told.json") or {}).get("table") == table:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / "next.json", files.dump(told))
        (folder / client.UNTOLD).unlink(missing_ok=True)
        status = _process(folder, LIMIT_S[tracking.mode])
    except OSError as error:
        status = str(error)
    for line in client.said_untold(folder):
        print(f"W&B, of the report: {line}")
    if status:
        print(f"W&B was not told of the report ({status}); {folder / 'log.txt'} may say why")


def _process(folder: Path, limit_s: float) -> str | None:
    """Run the process within its limit; why it failed, if it did."""
    with (folder / "log.txt").open("ab") as log:
        process = children.start(
            "pvt_exp.tracking.report",
            str(folder.resolve()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"it took more than {limit_s:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # W&B's service, where it is left
            process.wait()
    return f"exit status {code}" if code else None


def main(folder: Path) -> None:
    """Tell W&B what ``next.json`` in the folder says."""
    told = files.read_json(folder / "next.json")
    assert told is not None, f"{folder / 'next.json'} is missing"
    table, tracking = told["table"], config.make(Tracking, told["tracking"])
    assert tracking.mode != "disabled"
    name = told["name"]
    (folder / "wandb").mkdir(exist_ok=True)
    before = len(list((folder / "wandb").glob("*run-*")))  # a step each, because offline parts count from 0 again
    run = client.start(
        folder,
        tracking.mode,
        project=tracking.project,
        entity=tracking.entity,
        id=f"report-{artifact_name(name)}",
        name=f"{name}: report",
        group=table["name"],
        job_type="report",
        tags=[name[:64]],
        notes=f"sweep {name}: its table and the files of its report",
        config={"sweep": table["name"], "seeds": table["seeds"]},
    )
    import wandb

    columns, rows = flat(table)
    shown: dict[str, Any] = {"table": wandb.Table(columns=columns, data=rows, allow_mixed_types=True)}
    paths = [Path(path) for path in told["files"] if Path(path).exists()]
    for path in paths:
        if path.suffix == ".html":
            shown["page"] = wandb.Html(path.read_text(), inject=False)
    run.log(shown, step=before)
    artifact = wandb.Artifact(f"report-{artifact_name(name)}", type="report", description=table["caption"])
    for path in paths:
        artifact.add_file(str(path), name=path.name)
    run.log_artifact(artifact)
    counts = states(table)
    run.summary.update({"runs": counts, "state": "done" if set(counts) <= {"done"} else "incomplete"})
    if tracking.alerts:
        run.alert(f"{name[:40]}: the sweep has ended", _standing(counts), "INFO")
    client.finish(run, folder)
    (folder / "next.json").replace(folder / "told.json")


def flat(table: dict[str, Any]) -> tuple[list[str | int], list[Iterable[Any]]]:
    """Names of columns and the rows of a table as W&B shows them: the value of each cell, its std, and the seeds."""
    keys = [column["key"] for column in table["columns"]]
    rows = [row for group in table["groups"] for row in group["rows"]]
    spread = {key for key in keys for row in rows if row["cells"][key]["std"] is not None}
    columns: list[str | int] = ["variant"]
    for column in table["columns"]:
        head = f"{column['heading']} {column['title']}".strip()
        columns += [head, *([f"{head} std"] if column["key"] in spread else [])]
    lines: list[Iterable[Any]] = []
    for row in rows:
        line = [row["name"]]
        for key in keys:
            cell = row["cells"][key]
            line += [cell["value"], *([cell["std"]] if key in spread else [])]
        lines.append([*line, len(row["runs"])])
    return [*columns, "runs"], lines


def states(table: dict[str, Any]) -> dict[str, int]:
    """How many runs of a table are in each state."""
    rows = [row for group in table["groups"] for row in group["rows"]]
    return dict(Counter(run["state"] for row in rows for run in row["runs"]))


def _standing(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if state != "done")
    return f"{counts.get('done', 0)} of {several(total, 'run')} {are(total)} done" + (f"; {others}" if others else "")


def artifact_name(name: str) -> str:
    """A name with what W&B allows in ids and names of artifacts: ASCII, and another one for each name."""
    plain = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)
    if plain == name and len(name) <= MOST_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: MOST_CHARS - 7].strip('-')}-{digest}".lstrip("-")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
