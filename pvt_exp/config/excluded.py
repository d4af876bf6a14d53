"""What of a data set is left out, changed or not scored: counted by split, with its reason, and told wherever data are.

A data set says in `Facts.left_out` what it sees before training; `nn.loader` adds the images that could not be read while
training. Both stand in ``result.json`` under ``data.left_out``, and in the notes of a table.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pvt_exp.system import files

EXAMPLES = 3
MOST = 6
"""Suffixes that are told one by one."""
NOT_TAKEN = "not taken"


class LeftOut(NamedTuple):
    """One line of that table, of one split."""

    what: str
    """What was counted, in the plural: ``files ending in .heic``, ``boxes outside their image``."""
    number: int
    effect: str
    """What became of them, as it stands after the number: ``not taken``, ``clipped``, ``not scored``."""
    examples: tuple[str, ...] = ()
    """Names of the first few."""
    hint: str = ""
    """What to do where that is not what was wanted; told before training, not in tables."""

    def __str__(self) -> str:
        few = (
            f" ({', '.join(self.examples)}{', ...' if self.number > len(self.examples) else ''})"
            if self.examples
            else ""
        )
        return f"{self.what}: {self.number} {self.effect}{few}{f'; {self.hint}' if self.hint else ''}"

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "examples": list(self.examples)}


NOT_READ = "images that cannot be read"
"""Begins the line of the look before training; a run that has read all images has a line of its own."""
BySplit = Mapping[str, Sequence[LeftOut]]
UNREADABLE = {
    "train": LeftOut("unreadable images", 0, "replaced by the next image"),
    "val": LeftOut("unreadable images", 0, "not scored"),
}
"""By split, what is counted while training and scoring."""


def count(what: str, effect: str, names: Iterable[object]) -> tuple[LeftOut, ...]:
    """The line for all these names; none where there are none."""
    every = [str(name) for name in names]
    return (LeftOut(what, len(every), effect, tuple(map(files.shown, every[:EXAMPLES]))),) if every else ()


def by_suffix(paths: Iterable[str]) -> tuple[LeftOut, ...]:
    """A line for the files of each suffix that is not taken."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(suffix(path), []).append(path)
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    lines = [
        count(f"files ending in {end}" if end else "files without a suffix", NOT_TAKEN, p) for end, p in ranked[:MOST]
    ]
    lines.append(count("files of other suffixes", NOT_TAKEN, (path for _, paths in ranked[MOST:] for path in paths)))
    return tuple(line for found_ in lines for line in found_)


def hidden(paths: Iterable[str]) -> tuple[LeftOut, ...]:
    """The line for images that are hidden."""
    return count("hidden images (a name that begins with a dot)", NOT_TAKEN, paths)


def special(paths: Iterable[str]) -> tuple[LeftOut, ...]:
    """The line for what lies among the files and is none."""
    return count("named pipes, sockets or devices", NOT_TAKEN, sorted(paths))


def suffix(path: str) -> str:
    """How a file's name ends, from its last dot on, in lower case; empty where it has none."""
    name = path[path.rfind("/") + 1 :]
    return name[dot:].lower() if (dot := name.rfind(".")) > 0 else ""


def unreadable(split: str, reasons: Iterable[str]) -> tuple[LeftOut, ...]:
    """The line for the images of a split that could not be read; ``reasons`` name one image each."""
    return count(UNREADABLE[split].what, UNREADABLE[split].effect, reasons)


def of_a_run(looked_at: BySplit, unread: Mapping[str, Iterable[str]]) -> dict[str, tuple[LeftOut, ...]]:
    """What a run says: the lines of the look, and its own of the images that it could not read.

    It has read every image, and the look some: where both counted the same images, the run's line stays.
    """
    own = {split: unreadable(split, reasons) for split, reasons in unread.items()}
    kept = {
        split: tuple(line for line in lines if not (own.get(split) and line.what.startswith(NOT_READ)))
        for split, lines in looked_at.items()
    }
    return {split: (*kept.get(split, ()), *own.get(split, ())) for split in dict.fromkeys((*kept, *own))}


def as_json(told: BySplit) -> dict[str, list[dict[str, Any]]]:
    """``data.left_out`` of ``result.json``: the lines of each split that has any."""
    return {split: [line.as_json() for line in lines] for split, lines in told.items() if lines}


def of_result(result: Mapping[str, Any]) -> dict[str, tuple[LeftOut, ...]]:
    """What a result says; what is not in the form of ours is passed over."""
    told = (result.get("data") or {}).get("left_out")
    splits = told.items() if isinstance(told, dict) else ()
    return {str(split): tuple(filter(None, map(_read, lines))) for split, lines in splits if isinstance(lines, list)}


def _read(line: Any) -> LeftOut | None:
    if not isinstance(line, dict) or type(line.get("number")) is not int:
        return None
    examples = line.get("examples")
    names = tuple(map(str, examples)) if isinstance(examples, list) else ()
    return LeftOut(str(line.get("what")), line["number"], str(line.get("effect")), names, str(line.get("hint") or ""))


def in_words(told: BySplit) -> list[str]:
    """A line each, for a terminal: ``train: files ending in .heic: 3 not taken (a.heic, ...)``."""
    return [f"{split}: {line}" for split, lines in told.items() for line in lines]


def of_rows(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the notes of a table say of all its runs, one sentence per data set; the largest number where runs differ."""
    found: dict[str, dict[tuple[str, str, str], list[int]]] = {}
    for result in results:
        for split, lines in of_result(result).items():
            for line in lines:
                key = (split, line.what, line.effect)
                found.setdefault(str(result["data"]["name"]), {}).setdefault(key, []).append(line.number)
    return [f"Left out or changed in {name}: {'; '.join(_in_note(lines))}." for name, lines in found.items()]


def _in_note(lines: Mapping[tuple[str, str, str], Sequence[int]]) -> list[str]:
    words = []
    for (split, what, effect), numbers in lines.items():
        up_to = "up to " if len(set(numbers)) > 1 else ""
        words.append(f"{split}: {what}: {up_to}{max(numbers)} {effect}")
    return words
