"""Writing whole or not at all, and reading what may be torn."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, text: str) -> None:
    """Replace a file's content atomically: a reader sees the old text or the new one, also after a power cut."""
    temporary = _beside(path, text)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(path: Path, text: str) -> bool:
    """Make a file appear whole, unless it is there already: of several writers the first wins. False: it was there."""
    temporary = _beside(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _beside(path: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which
        raise
    return Path(name)


def read_json(path: Path | str) -> dict[str, Any] | None:
    """The mapping in a JSON file; None where it is missing, torn, or something else."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - half the time of Path.read_bytes, and status reads 10,000
            value = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def dump(value: Any) -> str:
    """JSON as records have it: indented, keys as they come."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def tail(path: Path, lines: int = 20, most_bytes: int = 20_000) -> list[str]:
    """The last lines of a text file, or none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most_bytes))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
