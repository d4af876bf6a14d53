"""Numbers with their noun, for what is printed."""


def several(count: int, word: str, words: str | None = None) -> str:
    """``1 run``, ``3 runs``; ``words`` is the plural where it is not the word with an s."""
    return f"{count} {word}" if count == 1 else f"{count} {words or f'{word}s'}"


def are(count: int) -> str:
    """``is`` of one, ``are`` of several."""
    return "is" if count == 1 else "are"
