"""Atomic writing of files, and reading of files that may be incomplete."""

import contextlib
import errno
import json
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from pvt_exp.system import json_keys

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LINKS = frozenset(
    (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, 524)
)
"""What link() says on a file system without hard links (exFAT, SMB, BeeGFS, cloud drives); 524 is the kernel's ENOTSUPP."""
NO_SYNC = (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EISDIR)
"""What some file systems say where a folder is to be synced."""
IN_HAND = ".publishing"
"""How the folder of a text ends that is published without hard links."""
UNPRINTABLE = "backslashreplace"
"""What becomes of a name that is not UTF-8 where text is written; in JSON it is an escape, which reads as the same name."""
QUOTED = re.compile(r"[-+.\d]|(?:[yn]|yes|no|on|off|true|false|null|none|nan|inf|infinity|~)$", re.IGNORECASE)
"""How text begins, or what it is, that is no text to some reader of YAML where it has no quotes."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that has no room."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write(path: Path, text: str | bytes) -> None:
    """Replace a file's content atomically: a reader sees the old one or the new one, also after a power cut.

    A picture's is bytes.
    """
    temporary = _beside(path, text)
    try:
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None  # not the name that nobody knows
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put(path: Path, text: str) -> None:
    """Write a text where it stands: a file that nobody reads yet, or that must stay the one that is locked."""
    with named(path):
        path.write_bytes(encoded(text))


def append(path: Path, text: str, sync: bool = False) -> None:
    """Add a text to a file's end in one write; ``sync``: it is there also after a power cut."""
    with named(path), path.open("ab") as file:
        file.write(encoded(text))
        if sync:
            file.flush()
            os.fsync(file.fileno())


def encoded(text: str) -> bytes:
    """A text as all files of ours have it, whatever names are in it and whatever the machine's encoding is."""
    return text.encode("utf-8", UNPRINTABLE)


def publish(path: Path, text: str) -> bool:
    """Make a file appear whole, unless it is there already: of several writers the first wins. False: it was there.

    By a hard link; where the file system has none, by `_publish_by_folder`.
    """
    temporary = _beside(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except AttributeError:  # a system without link()
        return _publish_by_folder(path, text)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return _publish_by_folder(path, text)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def check_publishing(folder: Path) -> None:
    """Publish a file as a trial, twice. Raises OSError if that does not work here, so that no result could be kept."""
    with _trial(folder) as trial:
        if not publish(trial / "file", "first") or publish(trial / "file", "second"):
            raise OSError(errno.EOPNOTSUPP, "a file cannot be made so that the first of several writers wins")


def has_links(folder: Path) -> bool:
    """Whether hard links can be made in a folder that can be written to."""
    with _trial(folder) as trial:
        file = trial / "file"
        file.touch()
        try:
            os.link(file, f"{file}.link")
        except (OSError, AttributeError):  # AttributeError: a system without link()
            return False
    return True


@contextlib.contextmanager
def _trial(folder: Path) -> Iterator[Path]:
    """A folder to try something in, which is then removed; so are those of killed processes of this machine."""
    name = f".trial.{platform.node()}"
    for left in folder.glob(f"{name}.*"):
        if not _is_running(left.name.removeprefix(f"{name}.")):
            shutil.rmtree(left, ignore_errors=True)
    trial = folder / f"{name}.{os.getpid()}"
    shutil.rmtree(trial, ignore_errors=True)  # of a process that had this number before
    trial.mkdir()
    try:
        yield trial
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:  # another person's
        pass
    return True


def _publish_by_folder(path: Path, text: str) -> bool:
    """`publish` without hard links: renaming a folder onto one that is not empty fails, so of several the first wins.

    The folder ``.<name>.publishing`` holds the text until the file is there. Whoever finds the folder of another, who may
    have been killed, brings that one's text to its end first: so no second text is ever published.
    """
    claim = path.with_name(f".{path.name}{IN_HAND}")
    while not path.exists():
        if claim_folder(claim, lambda part: write(part / "text", text)):
            if not path.exists():  # else another was first, and its folder is gone already
                write(path, text)
            _drop(claim)
            return path.read_text(encoding="utf-8") == text
        try:
            said = (claim / "text").read_text(encoding="utf-8")
        except FileNotFoundError:  # the other has just come to its end
            with contextlib.suppress(OSError):
                claim.rmdir()
            time.sleep(0.01)
            continue
        if not path.exists():
            write(path, said)
        _drop(claim)
    return False


def _drop(folder: Path) -> None:
    """Remove a folder by a rename first, so that nobody sees it half empty; another may have done so."""
    gone = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    with contextlib.suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _beside(path: Path, text: str | bytes) -> Path:
    content = text if isinstance(text, bytes) else encoded(text)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with named(path), os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # exFAT and others have no such rights
            Path(name).chmod(0o644)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError, which that of a full disk lacks."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def rename(part: Path, path: Path) -> None:
    """Give a file that is written its name; under it, it is whole, also after a power cut."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def make_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder unless it is there; ``fill`` writes what is in it, and it appears whole, by one rename, or not at all.

    Several processes may call it at once: one fills, the others wait, and where locks do not work they throw theirs away.

    Raises:
        OSError: if it cannot be written.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent / f".{folder.name}.lock") as alone:
        if not folder.exists():
            if alone:
                for left in folder.parent.glob(f".{folder.name}.*.part"):  # by a maker that was killed
                    shutil.rmtree(left, ignore_errors=True)
            claim_folder(folder, lambda part: _fill_to_last(part, fill))  # where locks do not work, another was first
            _sync(folder.parent)


def _fill_to_last(part: Path, fill: Callable[[Path], None]) -> None:
    fill(part)
    for file in part.glob("**/*"):
        if file.is_file():
            _sync(file)


def claim_folder(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Make a folder that appears whole, by one rename; False, and nothing, where it is there: of several the first wins.

    What is in it must not be empty, as a folder that is may be replaced.

    Raises:
        OSError: if it cannot be written.
    """
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        with contextlib.suppress(OSError):  # exFAT and others have no such rights
            part.chmod(0o755)  # mkdtemp's 0700 would hide the folder from colleagues
        fill(part)
        try:
            part.rename(folder)
        except OSError as error:
            # SMB and Windows say EACCES or EPERM of a folder that is there.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) and not folder.exists():
                raise
            return False
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Wait for and hold the lock, which the kernel frees however its holder ends; False where locks do not work."""
    with lock.open("w") as file:
        try:
            if fcntl is None:
                raise OSError
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        if path.is_dir() and error.errno in NO_SYNC:
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not path.is_dir() or error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


NO_FILE = "a named pipe, socket or device, where a file is expected"
MOST_BYTES = 64 * 2**20
"""Of a record: no record of ours comes near it."""


def read_json(path: Path | str) -> dict[str, Any] | None:
    """The mapping in a JSON file; None where it is missing, torn, something else, or larger than any record.

    Nor is one read in which a key stands twice, as only one of both would count: see `keys_twice`.
    """
    try:
        raw = _whole(path)
        value = _parsed(raw)
        if json_keys.may_stand_twice(raw, value) and json_keys.twice(raw):
            return None
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def opened(path: Path | str) -> IO[bytes]:
    """A file opened to be read; nothing else, as reading a named pipe or a device may wait without end.

    Raises:
        OSError: if it is not there, or is no file.
    """
    return os.fdopen(_handle(path), "rb")


def read_bytes(path: Path | str) -> bytes:
    """The bytes of a file. Raises OSError as `opened` does."""
    with opened(path) as file:
        return file.read()


def read_text(path: Path | str) -> str:
    """A text in UTF-8. Raises OSError as `opened` does, and UnicodeDecodeError."""
    return read_bytes(path).decode()


def _handle(path: Path | str) -> int:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # else opening a pipe waits for its writer
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, NO_FILE, str(path))


def _whole(path: Path | str) -> bytes:
    """The bytes of a file; a third of the time of Path.read_bytes, as status reads 10,000 of them.

    Raises:
        OSError: as `opened` does.
        ValueError: if they are more than any record has.
    """
    handle = _handle(path)
    try:
        size = os.fstat(handle).st_size
        if size > MOST_BYTES:
            raise ValueError("larger than any record")
        raw = os.read(handle, size)
        while len(raw) < size and (
            more := os.read(handle, size - len(raw))
        ):  # a read may give less than it is asked for
            raw += more
        return raw
    finally:
        os.close(handle)


def keys_twice(path: Path | str) -> list[str]:
    """The keys that stand twice in a JSON file, which `read_json` therefore does not read."""
    try:
        return json_keys.twice(_whole(path))
    except (OSError, ValueError, RecursionError):
        return []


def _parsed(raw: bytes) -> Any:
    try:
        return from_json(raw, allow_inf_nan=False, cache_strings="keys")  # half the time of json, which takes more
    except ValueError:
        return json.loads(raw, parse_constant=lambda name: None)  # JSON has no NaN: it is no number


def is_number(value: Any) -> bool:
    """Whether what was read is a number that a float can hold; true and false are none."""
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )


def dump(value: Any) -> str:
    """JSON as records have it: indented, keys as they come."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def dump_yaml(value: Any) -> str:
    """YAML as configurations have it: keys as they come, short lists and mappings in a line.

    Text that a reader of YAML 1.1 or 1.2 may take for a number, a boolean, a date or null is in quotes.
    """
    import yaml

    quick, plain = _dumpers()  # libyaml's writes the same, some twelve times as fast
    how: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None}
    try:
        text: str = yaml.dump(value, Dumper=quick, **how)
    except UnicodeEncodeError:  # libyaml's has no escapes for names that are not UTF-8
        text = yaml.dump(value, Dumper=plain, **how)
    return text


@cache
def _dumpers() -> tuple[Any, Any]:
    import yaml

    def written(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=_quotes(text))

    made = []
    for base in (getattr(yaml, "CSafeDumper", yaml.SafeDumper), yaml.SafeDumper):
        dumper: Any = type("_Dumper", (base,), {})
        dumper.add_representer(str, written)
        dumper.add_multi_representer(str, written)
        made.append(dumper)
    return made[0], made[1]


@lru_cache(10_000)
def _quotes(text: str) -> str | None:
    """Those around a text; runs of a sweep have the same texts over and over."""
    return "'" if QUOTED.match(text) else None


def shown(text: object) -> str:
    """A name or a reason as one line that can be printed: bytes that are not UTF-8 and line ends are written as escapes."""
    try:
        raw = str(text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which stands for no byte
        raw = str(text).encode("utf-8", "backslashreplace")
    return CONTROL.sub(
        lambda found: found[0].encode("unicode_escape").decode(), raw.decode("utf-8", "backslashreplace")
    )


def line(text: object, most: int = 1000) -> str:
    """A reason of any length as one line that can be printed: line ends and other spaces are single spaces."""
    return shown(" ".join(str(text).split()))[:most]


def lines(text: str) -> str:
    """A reason with its line breaks, without control characters of terminals."""
    return "\n".join(map(shown, text.splitlines()))


def any_name(stream: Any) -> None:
    """Let a stream print names that its encoding has no letters for, such as those that are not UTF-8, as escapes."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=UNPRINTABLE)


def now() -> str:
    """The current time as in records."""
    return time_of(time.time())


def time_of(seconds: float) -> str:
    """The same of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tail(path: Path, lines: int = 20, most_bytes: int = 20_000) -> list[str]:
    """The last lines of a text file, or none."""
    try:
        with opened(path) as file:
            file.seek(max(0, path.stat().st_size - most_bytes))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
