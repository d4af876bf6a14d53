"""A sweep's file -> its plan. Pure: it reads files and touches nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from pvt_exp import config
from pvt_exp.backbones import Backbone
from pvt_exp.config import ConfigError, Document, Keys
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Block, Changes, Sweep
from pvt_exp.plan import (
    Merged,
    Plan,
    Tuning,
    Variant,
    alike,
    budget,
    called,
    fairness,
    overlaid,
    pretraining,
    references,
)
from pvt_exp.plan.budget import Count, Parts, Spelled
from pvt_exp.plan.pretraining import Find
from pvt_exp.system import spelling
from pvt_exp.system.words import some

Choose = Callable[[Tuning], dict[str, Any] | None]
"""Looks up the values that a variant's trials have chosen."""


def load(
    path: Path,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    find: Find | None = None,
    choose: Choose = lambda _: None,
    count: Count | None = None,
) -> tuple[Sweep, Plan]:
    """Read a sweep and its base, and expand it. ``overrides`` change the base; ``seeds`` replace the sweep's.

    ``find`` looks up the store's runs by how their ids begin, for ``pretrained: runs/<id>``; ``choose`` what trials chose;
    ``count`` what models cost, for a filter and a match that ask for it.

    Raises:
        ConfigError: for all that is wrong in either file.
    """
    document = config.read(path)
    if "base" not in document.value and "task" in document.value:
        raise ConfigError(f"{path}: this is an experiment; a sweep has a base and blocks (to train it: pvt-exp run)")
    if "base" not in document.value and "tables" in document.value:
        raise ConfigError(f"{path}: this is a report; to write it: pvt-exp report {path}")
    sweep = config.validate(Sweep, document)
    if seeded := [word for word in overrides if word.partition("=")[0] == "seed"]:
        raise ConfigError(f"override '{seeded[0]}': a sweep has seeds; write --seeds")
    place = config.beside(path, sweep.base)
    written = pretraining.anchor(_read_base(place, document), place.parent)
    base = pretraining.anchor(config.override(written, overrides, config.whole(Run)))
    for word in overrides:
        name, _, value = word.partition("=")
        if tuned := [
            field
            for field in (sweep.tune.space if sweep.tune else ())
            if fixes(name, config.parse(value, word, lines=False).value, field)
        ]:
            raise ConfigError(f"override '{word}': the sweep tunes {tuned[0]}, so it cannot be fixed")
    sources = _Sources(document, path.parent, base, written, pretraining.reader(place), find, count)
    planned = _expand(sweep, sources, path.stem, tuple(seeds) if seeds else sweep.seeds, choose)
    return sweep, replace(planned, file=path.resolve(), changes=tuple(overrides))


def _read_base(place: Path, document: Document) -> Document:
    try:
        base = config.read(place)
    except ConfigError as error:
        raise ConfigError(f"{document.origin(('base',))}: base: {problem}" for problem in error.problems) from None
    if "base" in base.value or "blocks" in base.value:
        where = document.origin(("base",))
        raise ConfigError(f"{where}: base: {place} is a sweep; the base is an experiment, one complete run")
    return base


class _Sources(NamedTuple):
    """What a sweep is spelled with."""

    sweep: Document
    folder: Path
    """Of the sweep's file, which paths in its changes are relative to."""
    base: Document
    written: Document
    """The base without what the command line overrides."""
    read: Callable[[str], Run]
    """Of the experiments that are pretrained."""
    find: Find | None
    costs: Count | None


def _expand(sweep: Sweep, sources: _Sources, name: str, seeds: tuple[int, ...], choose: Choose) -> Plan:
    document = sources.sweep
    _check_seeds(sweep, document, seeds)
    overlaid.check(sweep.blocks, document)
    sources = sources._replace(base=sources.base._replace(value={**sources.base.value, "seed": seeds[0]}))
    value = pretraining.name_runs(sources.base.value, sources.find, sources.base.origin)
    first = config.validate(Run, sources.base._replace(value=value))
    backbone = pretraining.base_backbone(sources.written, first)
    base_run = pretraining.complete(first, backbone, sources.read, sources.base.origin(("pretrain",)))
    components = {
        name: part
        for name, part in first
        if isinstance(part, BaseModel) and name in sources.base.value and name != "pretrain"
    }
    apply = partial(_apply, sources, components, backbone)
    rows, merged = _rows(sweep, document, apply, base_run)
    if sweep.match is not None:
        assert sources.costs is not None, "nobody can say what models cost"
        place = document.origin(("match",))
        matched = budget.match(sweep.match, base_run, list(rows.values()), apply, sources.costs, place)
        rows = {}
        merged += _add_all(rows, matched)
    if base_run.id in rows and {} not in rows[base_run.id].labels:
        rows[base_run.id].labels.append({})
        rows[base_run.id].places.append(("blocks",))
    _check_names(rows.values(), document)
    kept = list(rows.values())
    if sweep.where is not None:
        kept = budget.keep(sweep.where, base_run, kept, sources.costs, document.origin(("where",)))
    about = fairness.studied(sweep)
    told = references.resolve(sweep.published, document, [row.labels for row in rows.values()])

    def variant(row: Spelled, run: Run) -> Variant:
        unlike = () if {} in row.labels else fairness.unlike(run, base_run, row.labels[0], about)
        seeded = run.with_seeds(seeds)
        published = told.get(called(row.labels), ())
        return Variant(tuple(row.labels), seeded, unlike, row.matched, row.unmatched, published, origin(row))

    def origin(row: Spelled) -> str:
        written = [keys for keys, _ in row.parts if keys[0] == "blocks"]
        return document.origin(written[-1]) if written else sources.base.origin(())

    spelled_twice = tuple(Merged(called([label]), _other_name(label, row)) for label, row in merged)
    stay = {id(row) for row in kept}
    removed = tuple(called(row.labels) for row in rows.values() if id(row) not in stay)
    planned = Plan(name, seeds, (), spelled_twice, removed)
    if (tune := sweep.tune) is None:
        return _checked(sweep, document, replace(planned, variants=tuple(variant(row, row.run) for row in kept)))

    def tuning(row: Spelled) -> Tuning:
        made = Tuning(tuple(row.labels), tune, lambda values: apply((*row.parts, (("tune", "space"), values))))
        _check_space(made, document, row.parts)
        _check_metric(made, document)
        return replace(made, chosen=choose(made), origin=origin(row))

    tunings = tuple(map(tuning, kept))
    decided = tuple(
        variant(row, each.make(each.chosen)) for row, each in zip(kept, tunings, strict=True) if each.chosen is not None
    )
    return _checked(sweep, document, replace(planned, variants=decided, tunings=tunings))


def _rows(
    sweep: Sweep, document: Document, apply: Callable[[Parts], Run], base: Run
) -> tuple[dict[str, Spelled], list[tuple[dict[str, str], Spelled]]]:
    """Every configuration that the blocks spell, by id, and what was equal to one that was spelled before."""
    rows: dict[str, Spelled] = {}
    merged: list[tuple[dict[str, str], Spelled]] = []
    problems: dict[str, list[str]] = {}
    spelled = [(i, *each) for i, block in enumerate(sweep.blocks) for each in _spell(block, i)]
    for block_index, label, parts in spelled:
        try:
            run = apply(parts) if parts else base
        except ConfigError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).extend([called([label])] if len(parts) > 1 else [])
            continue
        row = Spelled([label], [parts[-1][0] if parts else ("blocks", block_index)], parts, run)
        if (equal := _add(rows, row)) is not row:
            merged.append((label, equal))
    if problems:
        raise ConfigError(f"{problem}{_of_rows(names)}" for problem, names in problems.items())
    return rows, merged


def _of_rows(names: list[str]) -> str:
    """Which rows a message is about, at its end; the line says it of a row that is a single choice."""
    return f" ({'rows' if len(names) > 1 else 'row'} {some(names, 3)})" if names else ""


def _add(rows: dict[str, Spelled], row: Spelled) -> Spelled:
    """The row under its id, which has the names of those that are equal to it."""
    first = rows.setdefault(row.run.id, row)
    for label, place in zip(row.labels, row.places, strict=True):
        if label not in first.labels:
            first.labels.append(label)
            first.places.append(place)
    return first


def _add_all(rows: dict[str, Spelled], more: Iterable[Spelled]) -> list[tuple[dict[str, str], Spelled]]:
    """Add rows; the names of those that are equal to one that is there, and that one."""
    return [(row.labels[0], equal) for row in more if (equal := _add(rows, row)) is not row]


def _check_seeds(sweep: Sweep, document: Document, seeds: tuple[int, ...]) -> None:
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"{document.origin(('seeds',))}: seeds: the same seed twice")
    if sweep.tune is not None and sweep.tune.seed in seeds:
        where = document.origin(("tune",))
        raise ConfigError(f"{where}: tune.seed {sweep.tune.seed} is one of the sweep's seeds; trials have their own")


def _other_name(label: dict[str, str], row: Spelled) -> str:
    """The row's name, or the one that it has besides ``label``."""
    others = [each for each in row.labels if each != label]
    return called(row.labels if label else others or row.labels)


def _check_names(rows: Iterable[Spelled], document: Document) -> None:
    """Raise ConfigError if two rows have one name, as a reader sees it; a row has the names of what is merged into it."""
    seen: dict[str, tuple[Spelled, str, Keys]] = {}
    problems = []
    for row in rows:
        for label, place in zip(row.labels, row.places, strict=True):
            name = called([label])
            first, as_name, before = seen.setdefault(alike(name), (row, name, place))
            if first is not row:
                where, there = document.origin(place), document.origin(before)
                same = "" if name == as_name else f", which looks like '{as_name}'"
                problems.append(f"{where}: two different rows are called '{name}'{same} (see {there}); rename one")
    if problems:
        raise ConfigError(problems)


def _checked(sweep: Sweep, document: Document, planned: Plan) -> Plan:
    if (same := planned.same_choices()) is not None:
        names = " and ".join(f"'{row.name}'" for row in same)
        where = document.origin(("blocks",))
        raise ConfigError(f"{where}: the rows {names} have the same choice on every axis; rename a choice")
    return _fair(sweep, document, planned)


def _fair(sweep: Sweep, document: Document, planned: Plan) -> Plan:
    unfair = [each for each in planned.variants if each.unlike] if sweep.strict else []
    if unfair:
        where = f"{document.origin(('strict',))}: strict: the recipe of"
        raise ConfigError(f"{where} {each.name} differs from the base's: {'; '.join(each.unlike)}" for each in unfair)
    return planned


def _check_space(tuning: Tuning, document: Document, parts: Parts) -> None:
    """Raise ConfigError for a space of which a variant cannot have the outermost values, or has one fixed."""
    for name, values in tuning.tune.space.items():
        for keys, changes in parts:
            for dotted, change in changes.items():
                if fixes(dotted, change, name):
                    where = document.origin((*keys, dotted))
                    raise ConfigError(f"{where}: {tuning.name} fixes {name}, which the sweep tunes; leave one out")
        for value in values.ends:
            tuning.make({name: value})


def _check_metric(tuning: Tuning, document: Document) -> None:
    """Raise ConfigError for a metric that a variant does not have, or of which neither direction is better."""
    metric, known = tuning.metric, tuning.first.task.all_metrics
    where = document.origin(("tune", "metric"))
    if not metric.is_declared:
        hint = spelling.hint(metric.name, [each.name for each in known])
        raise ConfigError(f"{where}: tune.metric: {tuning.name} has no metric {metric.name}{hint}")
    if metric.larger_is_better is None:
        raise ConfigError(f"{where}: tune.metric: neither direction of {metric.name} is better")


def fixes(dotted: str, change: Any, field: str) -> bool:
    """Whether a change sets this field, alone or with what it stands in."""
    if dotted == field or dotted.startswith(f"{field}."):
        return True
    if not field.startswith(f"{dotted}."):
        return False
    for part in field.removeprefix(f"{dotted}.").split("."):
        if not isinstance(change, dict) or part not in change:
            return False
        change = change[part]
    return True


def _spell(block: Block, index: int) -> Iterator[tuple[dict[str, str], Parts]]:
    kind = next(iter(block.model_fields_set))
    content: dict[str, Any] = getattr(block, kind)
    place: Keys = ("blocks", index, kind)

    def cell(axis: str, choice: str) -> tuple[Keys, Changes]:
        return (*place, axis, choice), content[axis][choice]

    def cells(axes: Iterable[tuple[str, str]]) -> tuple[dict[str, str], Parts]:
        pairs = tuple(axes)
        return (dict(pairs), tuple(cell(axis, choice) for axis, choice in pairs))

    match kind:
        case "product" | "zip":
            columns = [[(axis, choice) for choice in choices] for axis, choices in content.items()]
            yield from map(cells, product(*columns) if kind == "product" else zip(*columns, strict=True))
        case "one_at_a_time":
            yield {}, ()
            yield from (cells([(axis, choice)]) for axis, choices in content.items() for choice in choices)
        case "cumulative":
            steps: Parts = ()
            for step, changes in content.items():
                steps = (*steps, ((*place, step), changes))
                yield {"": step}, steps
        case _:
            yield from (({"": name}, (((*place, name), changes),)) for name, changes in content.items())


def _apply(sources: _Sources, components: dict[str, BaseModel], backbone: Backbone, parts: Parts) -> Run:
    """Lay the changes over the base, in order. What they leave alone is the base's own, which was validated once."""
    base, document = sources.base, sources.sweep
    value = base.value
    for keys, changes in parts:
        for dotted, again in config.twice(changes):
            first, where = (document.origin((*keys, each)) for each in (dotted, again))
            raise ConfigError(f"{where}: {again}: the same choice sets {dotted} too ({first}); write one of them")
        for dotted, change in changes.items():
            if dotted == "seed":
                raise ConfigError(f"{document.origin((*keys, dotted))}: seed: no choice has a seed; write seeds")
            try:
                value = config.put(
                    value, dotted, pretraining.anchored(dotted, change, sources.folder), config.whole(Run)
                )
            except ConfigError as error:
                raise ConfigError(f"{document.origin((*keys, dotted))}: {error}") from None
    kept = {name: part for name, part in components.items() if value[name] is base.value[name]}

    def changed() -> Document:
        return Document(value, _origins(document, parts))

    try:
        run = config.make(
            Run, {**pretraining.name_runs(value, sources.find, lambda keys: changed().origin(keys)), **kept}
        )
    except ValidationError as error:
        raise ConfigError(config.explain(error, Run, changed())) from None
    if run.pretrain is None:
        return run
    return pretraining.complete(run, backbone, sources.read, changed().origin(("pretrain",)))


def _origins(document: Document, parts: Parts) -> dict[Keys, str]:
    """Where each changed field was written. The base is known to be right, so the changes are to blame."""
    origins: dict[Keys, str] = {(): document.origin(parts[-1][0])}
    for keys, changes in parts:
        for dotted in changes:
            written = (*keys, dotted)
            field = config.split(dotted)
            for n in range(1, len(field)):
                origins.setdefault(field[:n], document.origin(written))
            for deep, origin in document.origins.items():
                if deep[: len(written)] == written:
                    origins[field + deep[len(written) :]] = origin
    return origins
