"""The words of ``columns``: which columns they mean for some rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from pvt_exp.config import ConfigError
from pvt_exp.config.metric_names import OF_A_METRIC, is_taken, word_of
from pvt_exp.system import spelling
from pvt_exp.tables._costs import COUNTS
from pvt_exp.tables._metrics import found_in, usual
from pvt_exp.tables._rows import Line
from pvt_exp.tables._settings import is_setting, names_of

WORDS = ("n", "interval", "difference", "p", *COUNTS, "seconds", "peak_memory_bytes", "published")
"""What a column can be besides a metric and a setting."""
KINDS_OF_A_METRIC = ("metric", "interval", "difference", "p")


@dataclass(frozen=True)
class Wanted:
    """The columns that words mean for some rows; see `wanted`."""

    words: Sequence[str]
    lines: Sequence[Line]
    base: Line | None
    """The row that differences are to."""
    first: str
    """The metric that differences and intervals are of, where the word names none."""
    meant: Sequence[tuple[str, str]]
    """Of each word, the kind of its column, and the metric or setting that it is of."""

    def metrics(self, *kinds: str) -> list[str]:
        """The metrics of the columns of these kinds, each once."""
        return list(dict.fromkeys(name for kind, name in self.meant if kind in kinds))


def wanted(words: Sequence[str], lines: Sequence[Line], field: str = "columns", base: Line | None = None) -> Wanted:
    """What words mean for some rows of one sweep.

    Args:
        words: In the order of the columns.
        lines: The rows.
        field: Of the settings, that errors begin with.
        base: The row that differences are to; none: the sweep's base, if it is among the rows.

    Raises:
        ConfigError: for a word that means nothing here, and for one that stands twice.
    """
    base = base or next((line for line in lines if line.variant.is_base), None)
    found = found_in(lines)
    for i, word in enumerate(words):
        if word in words[:i]:
            raise ConfigError(f"{field}.{i}: the column {word} stands here twice")
    read = [_read(word, f"{field}.{i}", lines, found, base) for i, word in enumerate(words)]
    first = next((name for kind, name in read if kind == "metric"), usual(lines)[0])
    meant = [(kind, name or first) for kind, name in read]
    for i, each in enumerate(meant):
        if each in meant[:i]:
            same = words[meant.index(each)]
            raise ConfigError(f"{field}.{i}: the column {words[i]} is {same}, which stands here; write one of them")
    return Wanted(words, lines, base, first, meant)


def _read(word: str, field: str, lines: Sequence[Line], found: Sequence[str], base: Line | None) -> tuple[str, str]:
    """What kind of column a word means, and of which metric or setting; empty: the table's first metric."""
    if of := OF_A_METRIC.fullmatch(word):
        named = _among(of[2], found) or _bare(of[2]) if of[2] else ""
        if named and found and named not in found:
            raise ConfigError(f"{field}: {word}: no result has {of[2]}; they have {', '.join(found)}")
        if of[1] != "interval" and base is None and lines:
            told = "differences are to the base, which is not among the rows"
            raise ConfigError(f"{field}: {word}: {told}; name another row of an ablation as base, or leave it out")
        return of[1], named
    if word in WORDS:
        return word, word
    metric = _among(word, found)
    if metric and (metric != word or not is_taken(word)):
        return "metric", metric
    if is_setting(lines, word):
        return "setting", word
    if metric:
        return "metric", metric
    known = [*WORDS, *map(word_of, found), *names_of(lines)]
    near = spelling.near(word, known, least=0.6 if found else 0.8)
    if not found and not near and _bare(word).isidentifier():
        return "metric", _bare(word)  # nothing is trained yet that could say which metrics there are
    any_of = f"; it can be {', '.join([*WORDS, *map(word_of, found)])}, or a field of a run"
    raise ConfigError(f"{field}: unknown column '{word}'{spelling.meant(near) or any_of}")


def _among(word: str, found: Sequence[str]) -> str | None:
    """The metric that a word is the name of, or ``metrics.`` and the name; none: no result has it."""
    return next((name for name in (word, _bare(word)) if name in found), None)


def _bare(word: str) -> str:
    """The name of a metric that is written ``metrics.NAME``, because tables mean something else by NAME."""
    return word.removeprefix("metrics.")
