"""The terminal: how wide it is, and what was typed into it."""

import shlex
import sys

from rich.console import Console

UNBROKEN = 10_000
"""Characters of a line in a file or a pipe, which none has: what reads them wants a row in one line."""


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(("pvt-exp", *sys.argv[1:]))


def console(beside: bool = False) -> Console:
    """The terminal, or as wide as a line is where the output goes elsewhere; names and reasons are as they are.

    ``beside`` is for what is said while standard output is one JSON document: it goes to standard error.
    """
    stream = sys.stderr if beside else sys.stdout
    return Console(width=None if stream.isatty() else UNBROKEN, markup=False, emoji=False, stderr=beside)
