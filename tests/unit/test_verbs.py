"""The table of typed commands has every verb, option and argument; and the README says of them what is so."""

from pathlib import Path

import pytest

from tests import docs, typed
from tests.verbs import TABLE, find, parameters, type_here, verbs

__all__ = ["typed"]


def test_every_verb_option_and_argument_is_typed() -> None:
    shown: dict[tuple[str, ...], set[str]] = {}
    for row in TABLE:
        shown.setdefault(row.verb, set()).update(row.shows)
    missing = []
    for path, command in verbs().items():
        if not getattr(command, "commands", None) and path not in shown:
            missing.append(" ".join(path))
        missing += [f"{' '.join(path)} {name}" for name in parameters(command) if name not in shown.get(path, ())]
    assert not missing, "tests/verbs.py says how a row is added to tests/typed.py"


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_types_what_it_shows(row) -> None:
    path, command = find(row.words)
    rest = row.words[len(path) :]
    if not path:
        assert set(row.shows) <= set(rest)
        return
    given = command.make_context("pvt-exp", list(rest), resilient_parsing=True).params
    for name in row.shows:
        if name.startswith("--"):
            assert name in rest, name
        else:
            assert given[name], name


@pytest.mark.parametrize("path", [(), ("plan",), ("wandb", "sync")], ids=" ".join)
def test_h_is_help(path: tuple[str, ...], tmp_path: Path) -> None:
    short, whole = (type_here([*path, word], tmp_path) for word in ("-h", "--help"))
    assert short.status == whole.status == 0
    assert "Usage: " in whole.out
    assert short.out == whole.out


# ---------------------------------------------------------------- what the documents say

FOREIGN = {
    "--config": "of pip",
    "--collect-only": "of pytest",
    "--durations": "of pytest",
}
"""Options in the documents that are not ours."""


def known() -> set[str]:
    return {"--help", *(name for command in verbs().values() for name in parameters(command) if name.startswith("--"))}


def test_the_documents_name_no_option_that_is_not_there() -> None:
    unknown = {name: sorted(places) for name, places in docs.options().items() if name not in known() | set(FOREIGN)}
    assert not unknown


def test_the_documents_name_every_option() -> None:
    there = set(docs.options())
    options = {
        each.opts[0]: {*each.opts, *each.secondary_opts}
        for command in verbs().values()
        for each in parameters(command).values()
        if each.param_type_name == "option"
    }
    assert not [name for name, spellings in options.items() if not spellings & there]


def test_the_page_of_commands_names_every_verb() -> None:
    typed_there = {find(command.words)[0] for command in docs.commands() if command.page == "docs/commands.md"}
    missing = [" ".join(path) for path, command in verbs().items() if path and not getattr(command, "commands", None)]
    assert not [name for name in missing if tuple(name.split()) not in typed_there]


def test_words_of_any_number_stand_last() -> None:
    """Else the last of them is taken for what stands behind them."""
    for path, command in verbs().items():
        counts = [each.nargs for each in command.params if each.param_type_name == "argument"]
        assert -1 not in counts[:-1], path
