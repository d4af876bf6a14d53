"""A sweep's file -> its plan. Pure: it reads files and touches nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from pvt_exp import config, fairness, references, stages
from pvt_exp.backbones import Backbone
from pvt_exp.config import ConfigError, Document, Keys
from pvt_exp.plan import Plan, Tuning, Variant, called
from pvt_exp.schema import Block, Changes, Run, Sweep
from pvt_exp.stages import Find
from pvt_exp.where import compile_filter, names_costs

Choose = Callable[[Tuning], dict[str, Any] | None]
"""Looks up the values that a variant's trials have chosen."""
Count = Callable[[Sequence[Run]], Sequence[Any]]
"""What the models of runs cost: `pvt_exp.cost.of`."""


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
    ``count`` what models cost, for a filter that asks for it.

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
    place = path.parent / sweep.base
    written = stages.anchor(_read_base(place, document), place.parent)
    base = stages.anchor(config.override(written, overrides))
    for word in overrides:
        name, _, value = word.partition("=")
        if tuned := [
            field
            for field in (sweep.tune.space if sweep.tune else ())
            if fixes(name, config.parse(value, word, lines=False).value, field)
        ]:
            raise ConfigError(f"override '{word}': the sweep tunes {tuned[0]}, so it cannot be fixed")
    sources = _Sources(document, path.parent, base, written, stages.reader(place), find, count)
    return sweep, _expand(sweep, sources, path.stem, tuple(seeds) if seeds else sweep.seeds, choose)


def _read_base(place: Path, document: Document) -> Document:
    try:
        base = config.read(place)
    except ConfigError as error:
        raise ConfigError(f"{document.origin(('base',))}: base: {problem}" for problem in error.problems) from None
    if "base" in base.value or "blocks" in base.value:
        where = document.origin(("base",))
        raise ConfigError(f"{where}: base: {place} is a sweep; the base is an experiment, one complete run")
    return base


class _Spelled(NamedTuple):
    """One variant as a block spells it."""

    label: dict[str, str]
    parts: tuple[tuple[Keys, Changes], ...]
    """Place in the sweep's file, and what changes there."""


class _Sources(NamedTuple):
    """What a sweep is spelled with."""

    sweep: Document
    folder: Path
    """Of the sweep's file, which paths in its changes are relative to."""
    base: Document
    written: Document
    """The base without what the command line overrides."""
    read: Callable[[str], Run]
    """Of the experiments of first stages."""
    find: Find | None
    cost_of: Count | None


def _expand(sweep: Sweep, sources: _Sources, name: str, seeds: tuple[int, ...], choose: Choose) -> Plan:
    document = sources.sweep
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"{document.origin(('seeds',))}: seeds: the same seed twice")
    if sweep.tune is not None and sweep.tune.seed in seeds:
        where = document.origin(("tune",))
        raise ConfigError(f"{where}: tune.seed {sweep.tune.seed} is one of the sweep's seeds; trials have their own")
    sources = sources._replace(base=sources.base._replace(value={**sources.base.value, "seed": seeds[0]}))
    value = stages.name_runs(sources.base.value, sources.find, sources.base.origin)
    first = config.validate(Run, sources.base._replace(value=value))
    backbone = stages.base_backbone(sources.written, first)
    base_run = stages.complete(first, backbone, sources.read, sources.base.origin(("pretrain",)))
    components = {
        name: part
        for name, part in first
        if isinstance(part, BaseModel) and name in sources.base.value and name != "pretrain"
    }
    apply = partial(_apply, sources, components, backbone)
    found: dict[str, tuple[list[dict[str, str]], Run]] = {}
    spelled_as: dict[str, tuple[tuple[Keys, Changes], ...]] = {}
    problems: list[str] = []
    named: dict[tuple[tuple[str, str], ...], str] = {}
    spelled = [s for i, block in enumerate(sweep.blocks) for s in _spell(block, i)]
    for label, parts in spelled:
        where = document.origin(parts[0][0]) if parts else document.origin(("blocks",))
        try:
            run = apply(parts) if parts else base_run
        except ConfigError as error:
            problems += error.problems
            continue
        if named.setdefault(tuple(label.items()), run.id) != run.id:
            problems.append(f"{where}: two different variants are called {label or 'base'}")
        labels, _ = found.setdefault(run.id, ([], run))
        spelled_as.setdefault(run.id, parts)
        if label not in labels:
            labels.append(label)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    if base_run.id in found and {} not in found[base_run.id][0]:
        found[base_run.id][0].append({})
    kept = _filter(sweep, sources, base_run, list(found.values()))
    about = fairness.studied(sweep)
    told = references.resolve(sweep.published, document, [labels for labels, _ in found.values()])

    def variant(labels: Sequence[dict[str, str]], run: Run) -> Variant:
        unlike = () if {} in labels else fairness.unlike(run, base_run, labels[0], about)
        return Variant(tuple(labels), run.with_seeds(seeds), unlike, told.get(called(labels), ()))

    planned = Plan(name, seeds, (), merged=len(spelled) - len(found), removed=len(found) - len(kept))
    if (tune := sweep.tune) is None:
        return _fair(sweep, document, replace(planned, variants=tuple(variant(labels, run) for labels, run in kept)))

    def tuning(labels: list[dict[str, str]], run: Run) -> Tuning:
        parts = spelled_as[run.id]
        made = Tuning(tuple(labels), tune, lambda values: apply((*parts, (("tune", "space"), values))))
        _check_space(made, document, parts)
        return replace(made, chosen=choose(made))

    tunings = tuple(tuning(labels, run) for labels, run in kept)
    decided = tuple(variant(each.labels, each.make(each.chosen)) for each in tunings if each.chosen is not None)
    return _fair(sweep, document, replace(planned, variants=decided, tunings=tunings))


def _fair(sweep: Sweep, document: Document, planned: Plan) -> Plan:
    unfair = [each for each in planned.variants if each.unlike] if sweep.strict else []
    if unfair:
        where = f"{document.origin(('strict',))}: strict: the recipe of"
        raise ConfigError(f"{where} {each.name} differs from the base's: {'; '.join(each.unlike)}" for each in unfair)
    return planned


def _check_space(tuning: Tuning, document: Document, parts: tuple[tuple[Keys, Changes], ...]) -> None:
    """Raise ConfigError for a space of which a variant cannot have the outermost values, or has one fixed."""
    for name, values in tuning.tune.space.items():
        for keys, changes in parts:
            for dotted, change in changes.items():
                if fixes(dotted, change, name):
                    where = document.origin((*keys, dotted))
                    raise ConfigError(f"{where}: {tuning.name} fixes {name}, which the sweep tunes; leave one out")
        for value in values.ends:
            tuning.make({name: value})


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


def _filter(sweep: Sweep, sources: _Sources, base: Run, found: list[Any]) -> list[Any]:
    if sweep.where is None:
        return found
    place = f"{sources.sweep.origin(('where',))}: where: "
    costs: dict[int, Any] = {}
    try:
        keep = compile_filter(sweep.where, lambda run: costs[id(run)])
        if names_costs(sweep.where) and sources.cost_of is not None:
            runs = [base, *(run for _, run in found)]
            costs.update(zip(map(id, runs), sources.cost_of(runs), strict=True))
        kept = [(labels, run) for labels, run in found if keep(run, base)]
    except ConfigError as error:
        raise ConfigError(place + str(error)) from None
    if not kept:
        raise ConfigError(f"{place}removes all {len(found)} variants")
    return kept


def _spell(block: Block, index: int) -> Iterator[_Spelled]:
    kind = next(iter(block.model_fields_set))
    content: dict[str, Any] = getattr(block, kind)
    place: Keys = ("blocks", index, kind)

    def cell(axis: str, choice: str) -> tuple[Keys, Changes]:
        return (*place, axis, choice), content[axis][choice]

    def cells(axes: Iterable[tuple[str, str]]) -> _Spelled:
        pairs = tuple(axes)
        return _Spelled(dict(pairs), tuple(cell(axis, choice) for axis, choice in pairs))

    match kind:
        case "product" | "zip":
            columns = [[(axis, choice) for choice in choices] for axis, choices in content.items()]
            yield from map(cells, product(*columns) if kind == "product" else zip(*columns, strict=True))
        case "one_at_a_time":
            yield _Spelled({}, ())
            yield from (cells([(axis, choice)]) for axis, choices in content.items() for choice in choices)
        case "cumulative":
            steps: tuple[tuple[Keys, Changes], ...] = ()
            for step, changes in content.items():
                steps = (*steps, ((*place, step), changes))
                yield _Spelled({"": step}, steps)
        case _:
            yield from (_Spelled({"": name}, (((*place, name), changes),)) for name, changes in content.items())


def _apply(
    sources: _Sources, components: dict[str, BaseModel], backbone: Backbone, parts: tuple[tuple[Keys, Changes], ...]
) -> Run:
    """Lay the changes over the base, in order. What they leave alone is the base's own, which was validated once."""
    base, document = sources.base, sources.sweep
    value = base.value
    for keys, changes in parts:
        for dotted, change in changes.items():
            if dotted == "seed":
                raise ConfigError(f"{document.origin((*keys, dotted))}: seed: no choice has a seed; write seeds")
            try:
                value = config.put(value, dotted, stages.anchored(dotted, change, sources.folder))
            except ConfigError as error:
                raise ConfigError(f"{document.origin((*keys, dotted))}: {error}") from None
    kept = {name: part for name, part in components.items() if value[name] is base.value[name]}

    def changed() -> Document:
        return Document(value, _origins(document, parts))

    try:
        run = config.make(Run, {**stages.name_runs(value, sources.find, lambda keys: changed().origin(keys)), **kept})
    except ValidationError as error:
        raise ConfigError(config.explain(error, Run, changed())) from None
    if run.pretrain is None:
        return run
    return stages.complete(run, backbone, sources.read, changed().origin(("pretrain",)))


def _origins(document: Document, parts: tuple[tuple[Keys, Changes], ...]) -> dict[Keys, str]:
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
