"""Numbers with their noun, and times, for what is printed."""


def several(count: int, word: str, words: str | None = None) -> str:
    """``1 run``, ``3 runs``; ``words`` is the plural where it is not the word with an s."""
    return f"{count} {word}" if count == 1 else f"{count} {words or f'{word}s'}"


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
