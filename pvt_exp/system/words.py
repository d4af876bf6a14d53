"""Numbers with their noun, lists of words, and times, for what is printed."""

from collections.abc import Iterable


def several(count: int, word: str, words: str | None = None) -> str:
    """``1 run``, ``3 runs``; ``words`` is the plural where it is not the word with an s."""
    return f"{count} {word}" if count == 1 else f"{count} {words or f'{word}s'}"


def some(words: Iterable[object], most: int = 5, by: str = ", ") -> str:
    """The first few, and how many more there are: ``a, b and 3 more``; ``by`` stands between them."""
    every = list(map(str, words))
    return by.join(every[:most]) + (f"{by.replace(',', '')}and {len(every) - most} more" if len(every) > most else "")


def are(count: int) -> str:
    """``is`` of one, ``are`` of several."""
    return "is" if count == 1 else "are"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 20 s``, ``5 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
