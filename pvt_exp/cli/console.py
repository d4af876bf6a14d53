"""The terminal: how wide it is, and what was typed into it."""

import shlex
import sys

from rich.console import Console


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(("pvt-exp", *sys.argv[1:]))


def console(beside: bool = False) -> Console:
    """The terminal, or 120 characters where the output goes elsewhere; names and reasons are shown as they are.

    ``beside`` is for what is said while standard output is one JSON document: it goes to standard error.
    """
    stream = sys.stderr if beside else sys.stdout
    return Console(width=None if stream.isatty() else 120, markup=False, emoji=False, stderr=beside)
