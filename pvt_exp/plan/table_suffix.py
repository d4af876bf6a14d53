"""What a table of a sweep holds, where that is not the sweep as its file has it: its files get this in their names.

The paper's table is the whole sweep with the seeds of its file. A command that asks for some of its rows, other seeds,
another base or each run's best epoch makes another table, which must not take the place of that one.
"""

import hashlib
import re
from collections.abc import Sequence

MOST_CHARS = 60
"""Of a name; longer ones end in a hash."""


def name(only: Sequence[str] = (), seeds: str = "", overrides: Sequence[str] = (), best: bool = False) -> str:
    """``only-depth``, ``seeds-0-4``, ``with-epochs-3``, ``best``, or several; empty: it is the whole sweep.

    Args:
        only: The variants that are asked for.
        seeds: Those that are asked for, where they are not the sweep's.
        overrides: Changes to the base.
        best: Whether each run's best epoch is shown.
    """
    words = [f"{what}-{'-'.join(sorted(said))}" for what, said in (("only", only), ("with", overrides)) if said]
    words += [f"seeds-{seeds}"] if seeds else []
    words += ["best"] if best else []
    whole = ".".join(words)
    plain = ".".join(re.sub(r"[^A-Za-z0-9_+-]+", "-", word).strip("-") for word in words)
    exact = all(re.fullmatch(r"[\w ,=.+-]*", word, re.ASCII) for word in words)
    if exact and len(plain) <= MOST_CHARS:
        return plain
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: MOST_CHARS - 7].rstrip('.-')}-{digest}"
