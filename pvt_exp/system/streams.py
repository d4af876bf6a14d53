"""Output streams: terminals that lack characters, closed streams, pipes whose reader has gone."""

import codecs
import json
import math
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

LIKE = {
    "±": "+-", "−": "-", "–": "-", "—": "-", "─": "-", "…": "...", "×": "x", "·": ".", "•": "*", "Δ": "D", "†": "~",
    "‡": "#", "§": "!",
    "≤": "<=", "≥": ">=", "→": "->", "“": '"', "”": '"', "‘": "'", "’": "'", "█": "#", "▉": "#", "░": ".",
    "ß": "ss", "æ": "ae", "ø": "o",
    "━": "-", "╸": "-", "╺": "-",
}  # fmt: skip
"""ASCII replacements of characters."""
ERRORS = "pvt_exp.like"
"""The name under which codecs know `_replace`."""
CLOSED = 141
"""Exit status of a command whose reader has gone, as the shell has it of any other: 128 + SIGPIPE."""


def prepare() -> None:
    """Open what is closed of the three streams, and let no character that a terminal lacks stop the command."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: files would get it else
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ERRORS)


def print_json(value: Any) -> None:
    """To standard output, as JSON whatever its encoding is and whatever is in a name.

    Where the encoding lacks a letter, or a name is not UTF-8, all that is not ASCII is an escape, which reads as the same
    name. JSON has no NaN and no infinity, so what a foreign record holds of them is null.
    """
    value = _finite(value)
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=1, allow_nan=False)
    print(text, flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def abandon() -> None:
    """Discard further output: at exit Python would flush the rest into the closed pipe."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(null, stream.fileno())


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that cannot be written."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_like, error.object[error.start : error.end])), error.end


def _like(char: str) -> str:
    if char in LIKE:
        return LIKE[char]
    if "\ud800" <= char <= "\udfff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(char) & 0xFF:02x}"
    kind, _, codes = unicodedata.decomposition(char).partition(" ")
    if kind == "<super>":
        return "^" + "".join(chr(int(code, 16)) for code in codes.split() if int(code, 16) < 128)
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain or "?"


codecs.register_error(ERRORS, _replace)


def as_printed(text: str) -> str:
    """The text with what standard output prints for characters that it lacks, which may be wider or narrower."""
    if text.isascii():
        return text
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, ERRORS).decode(encoding)
