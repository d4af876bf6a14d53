"""Uploads offline runs with ``wandb sync``, several runs at a time.

wandb marks uploaded data by a file ``*.wandb.synced`` beside them.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvt_exp.store import attempts
from pvt_exp.system import children, locks
from pvt_exp.tracking import client, file

LIMIT_S = 900.0
"""For all parts of one run: W&B itself would go on for ever with a server that refuses."""


@dataclass(frozen=True)
class Waiting:
    """A run of W&B that has something to upload."""

    name: str
    """``runs/<id>`` or the report of a sweep, in words."""
    parts: tuple[Path, ...]
    """W&B's folders, an attempt each, oldest first: they make one curve, so they go in this order."""


def waiting(runs: Path) -> tuple[list[Waiting], int]:
    """The runs to upload, and how many are left out because they are being trained."""
    found, busy = [], 0
    for folder in sorted(path.parent for path in runs.glob("*/run.yaml")):
        parts = [part for attempt in attempts.of(folder) for part in _unsent(attempt)]
        newest = attempts.of(folder)[-1:]
        # Of an online run that was cut off, only the end can be missing; an earlier end is part of what came after it.
        parts = [part for part in parts if part.name.startswith("offline-") or part.parent.parent in newest]
        if parts and locks.is_locked(folder):
            busy += 1
        elif parts:
            found.append(Waiting(folder.name, tuple(parts)))
    for folder in sorted(runs.glob("reports/*")):
        if parts := _unsent(folder):
            found.append(Waiting(f"report of {folder.name}", tuple(parts)))
    return found, busy


def _unsent(folder: Path) -> list[Path]:
    """W&B's folders in an attempt's, or a report's, that are not uploaded, oldest first."""
    found = list((folder / "wandb").glob("offline-run-*"))
    if (folder / "wandb" / client.UNSENT).exists():
        found += (folder / "wandb").glob("run-*")
    found = [
        part
        for part in found
        if any(map(file.holds_records, part.glob("*.wandb"))) and not any(part.glob("*.wandb.synced"))
    ]
    return sorted(found, key=lambda part: part.name.removeprefix("offline-"))  # then by the time in the name


def upload(
    todo: list[Waiting], at_once: int, show: Callable[[Waiting, str | None], None], limit_s: float = LIMIT_S
) -> int:
    """Upload runs, ``at_once`` at a time; ``show(run, why)`` is called as each ends, with why it failed or None.

    Returns:
        How many failed.
    """
    failed = 0
    with ThreadPoolExecutor(at_once) as pool:
        asked = {pool.submit(_sync, each, limit_s): each for each in todo}
        try:
            for done in as_completed(asked):
                why = done.result()
                failed += why is not None
                show(asked[done], why)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def as_json(todo: Sequence[Waiting], ended: Mapping[Waiting, str | None], busy: int) -> dict[str, Any]:
    """Fields of ``pvt-exp wandb sync --json``; ``ended`` are those that were tried, with why they failed or None."""
    runs = [
        {
            "name": each.name,
            "parts": list(map(str, each.parts)),
            "uploaded": each in ended and ended[each] is None,
            "reason": ended.get(each),
        }
        for each in todo
    ]
    return {"runs": runs, "busy": busy}


def _sync(each: Waiting, limit_s: float) -> str | None:
    """Upload one run; why it failed, if it did."""
    for path in (path for part in each.parts for path in part.glob("*.wandb")):
        file.mend(path)
    try:
        done = children.run(
            *("wandb", "sync", "--include-online", *map(str, each.parts)),
            changes=dict.fromkeys(("WANDB_MODE", *client.OF_AN_AGENT)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        said = list(_lines(output.decode(errors="replace") if isinstance(output, bytes) else output))
        return f"not done after {limit_s:g} s" + (f"; W&B's last word: {said[-1]}" if said else "")
    if done.returncode == 0 and all(any(part.glob("*.wandb.synced")) for part in each.parts):
        for part in each.parts:
            (part.parent / client.UNSENT).unlink(missing_ok=True)
        return None
    said = list(_lines(done.stdout + done.stderr))
    told = [line for line in said if re.search("error|fail|denied|invalid|cannot", line, re.IGNORECASE)] or said
    return told[-1] if told else f"wandb sync: exit status {done.returncode}"


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain = re.sub(r"\x1b\[[0-9;]*m|^wandb: *", "", re.sub(r"\x1b\[[0-9;]*m", "", line)).strip()
        if plain:
            yield plain
