"""Which published figures stand beside which row: a sweep's ``published:``, checked."""

from collections.abc import Mapping, Sequence

from pvt_exp.config import ConfigError, Document
from pvt_exp.plan import called, published
from pvt_exp.plan.published import Figure
from pvt_exp.system import spelling

Labels = Sequence[dict[str, str]]
"""How a sweep calls one row, axis -> choice; several where several blocks spell it."""


def resolve(
    written: Mapping[str, Sequence[str]], document: Document, rows: Sequence[Labels]
) -> dict[str, tuple[Figure, ...]]:
    """The figures beside each row, by its name (`plan.called`), in the order in which they are written.

    A row is written as it is called (``backbone PVT-Small, schedule 1x``) or by its choices alone (``PVT-Small, 1x``).

    Args:
        written: The sweep's ``published``: a row to references.
        document: The sweep's file, for where an error stands.
        rows: All that the sweep spells, also what its `where` removes.

    Raises:
        ConfigError: for all names that are no row, or several, and all references that are none.
    """
    names = _names(rows)
    found: dict[str, dict[str, Figure]] = {}
    problems = []
    for name, references in written.items():
        place = f"{document.origin(('published', name))}: published: "
        meant = names.get(name, [])
        if len(meant) > 1:
            problems.append(f"{place}several rows are called '{name}'; write {' or '.join(meant)}")
        elif not meant:
            hint = spelling.hint(name, names, f"it has {', '.join(list(names)[:12])}", quote="'")
            problems.append(f"{place}the sweep has no row '{name}'{hint}")
        for reference in references:
            try:
                figure = published.find(reference)
            except ConfigError as error:
                problems.append(f"{place}{error}")
                continue
            for row in meant:
                found.setdefault(row, {})[reference] = figure
    if problems:
        raise ConfigError(problems)
    return {row: tuple(figures.values()) for row, figures in found.items()}


def _names(rows: Sequence[Labels]) -> dict[str, list[str]]:
    """What each name may mean: the rows that are called so."""
    found: dict[str, dict[str, None]] = {}
    for labels in rows:
        for label in labels:
            for name in filter(None, (called([label]), ", ".join(label.values()))):
                found.setdefault(name, {})[called(labels)] = None
    return {name: list(meant) for name, meant in found.items()}
