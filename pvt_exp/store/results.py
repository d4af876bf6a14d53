"""``result.json`` of a run: published whole, the first wins; read with care, as it may be edited or foreign."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from pvt_exp.config import ConfigError
from pvt_exp.store import attempts, result_bounds, result_fields
from pvt_exp.system import files

FORMAT = 1


def set_aside_result(folder: Path) -> None:
    """Make room for a new result where the old one is torn or of other data; it stays beside it under another name."""
    with contextlib.suppress(FileNotFoundError):
        (folder / "result.json").replace(folder / f"result.set-aside-{time.time_ns()}.json")


def publish_result(attempt: Path, result: dict[str, Any]) -> bool:
    """Publish the result of an attempt; False if another attempt was first, whose result stays."""
    first = files.publish(attempts.run_folder(attempt) / "result.json", files.dump({"format": FORMAT, **result}))
    attempts.end(attempt, "done" if first else "killed", None if first else "another attempt finished first")
    return first


def read_result(folder: Path | str) -> dict[str, Any] | None:
    """The result in a run's folder; None where there is none, or none that counts."""
    return read_checked(folder, Path(folder).name)[0]


def read_checked(
    folder: Path | str, run_id: str, epochs: int | None = None
) -> tuple[dict[str, Any] | None, str | None]:
    """The result, or what is wrong with the file: it was edited, is of another run, or of another program."""
    path = f"{folder}/result.json"
    found = files.read_json(path)
    if found is None:
        return None, _unreadable(path) if os.path.lexists(path) else None
    if (version := found.get("format")) != FORMAT and type(version) is int:
        return None, _other_format(version)
    if (why := result_fields.problem(found, run_id)) is not None:
        return None, why
    if version is None:
        return None, "format: is missing"
    if (why := result_bounds.problem(found, folder, epochs)) is not None:
        return None, why
    return result_fields.complete(found), None


def refuse_other_format(folder: Path) -> None:
    """Raise ConfigError if another version wrote the run's result: it may be good, and is not replaced."""
    found = files.read_json(folder / "result.json") or {}
    if (version := found.get("format")) != FORMAT and type(version) is int:
        raise ConfigError(
            f"{folder / 'result.json'}: {_other_format(version)}; take the version of pvt_exp that wrote it, or move the "
            "file away to train the run again"
        )


def _other_format(version: int) -> str:
    return f"format {version} is not of this version ({FORMAT})"


def _unreadable(path: str) -> str:
    again = files.keys_twice(path)
    return f"keys that stand twice in one object: {', '.join(again[:5])}" if again else "cannot be read"


def kept_weights(store: Path, run_id: str) -> Path | None:
    """The checkpoint of the attempt that a finished run's result is from; None where it was not kept."""
    made = read_result(store / run_id) or {}
    number = made.get("provenance", {}).get("attempt")
    kept = attempts.checkpoints(store / run_id / "attempts" / str(number))
    return kept[-1] if kept else None
