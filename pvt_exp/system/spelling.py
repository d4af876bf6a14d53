"""The hint in a message about a word that is unknown: the known one that is most like it."""

import difflib
from collections.abc import Iterable


def near(word: str, known: Iterable[str], most: int = 1, least: float = 0.6) -> list[str]:
    """The known words that are most like a word, best first; ``least`` is how much alike, from 0 to 1."""
    return difflib.get_close_matches(word, list(dict.fromkeys(known)), most, least)


def hint(word: str, known: Iterable[str], otherwise: str = "", most: int = 1, quote: str = "") -> str:
    """``; did you mean X``, to stand at the end of a message; if none is near, ``; `` and what is said ``otherwise``.

    ``quote`` is put around words that may hold spaces and commas, such as names of rows.
    """
    listed = [f"{quote}{each}{quote}" for each in near(word, known, most)]
    return meant(listed) or (f"; {otherwise}" if otherwise else "")


def meant(words: Iterable[str]) -> str:
    """``; did you mean X or Y``; empty of no words."""
    listed = " or ".join(words)
    return f"; did you mean {listed}" if listed else ""
