"""The pretraining of a run: which run its backbone starts from.

An experiment says ``pretrain: path.yaml``. Here that becomes the whole run of that file, with the architecture and the
seed that belong to the run at hand, so that the id of the one counts in the id of the other and nothing but `run.yaml`
is needed to train it. A pretraining may have one itself.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pvt_exp import config
from pvt_exp.backbones import RUN, Backbone
from pvt_exp.config import ConfigError, Document, Keys
from pvt_exp.config.run import Pretrain, Run

Find = Callable[[str], str]
"""The whole id of a run of the store that begins so; raises ConfigError."""


def experiment(
    path: Path, overrides: Sequence[str] = (), find: Find | None = None, trail: tuple[Path, ...] = ()
) -> Run:
    """Read an experiment: one complete run, its pretraining with it. ``trail`` are the files that led here.

    Raises:
        ConfigError: for all that is wrong in the file or its pretraining's, and for a file of another kind.
    """
    document = config.read(path)
    if "base" in document.value or "blocks" in document.value:
        raise ConfigError(f"{path}: this is a sweep; to drive it: pvt-exp sweep {path}")
    if "tables" in document.value:
        raise ConfigError(f"{path}: this is a report; to write it: pvt-exp report {path}")
    written = anchor(document, path.parent)
    whole = anchor(config.override(written, overrides, config.whole(Run)))
    run = config.validate(Run, whole._replace(value=name_runs(whole.value, find, whole.origin)))
    read = reader(path, trail)
    return complete(run, base_backbone(written, run), read, whole.origin(("pretrain",)))


def reader(path: Path, trail: tuple[Path, ...] = ()) -> Callable[[str], Run]:
    """What reads the pretraining runs that ``path`` names, each file once."""
    trail = (*trail, path.resolve())

    def read(file: str) -> Run:
        if Path(file).resolve() in trail:
            raise ConfigError(
                f"{file}: it starts from itself: {' <- '.join([*(p.name for p in trail), Path(file).name])}"
            )
        return experiment(config.beside(Path(), file), trail=trail)

    return cache(read)


# ---------------------------------------------------------------- what is written, before it is a run


def anchor(document: Document, folder: Path = Path()) -> Document:
    """The document with its pretraining as a mapping, and the path in it seen from here rather than from ``folder``."""
    if "pretrain" not in document.value:
        return document
    first = anchored("pretrain", document.value["pretrain"], folder)
    return document._replace(value={**document.value, "pretrain": first})


def anchored(dotted: str, value: Any, folder: Path) -> Any:
    """The new value of a field as `anchor` has it."""
    if dotted == "pretrain.experiment" and isinstance(value, str):
        return str(folder / value)
    if dotted != "pretrain":
        return value
    mapping = {"experiment": value} if isinstance(value, str) else value
    if not isinstance(mapping, dict) or not isinstance(mapping.get("experiment"), str):
        return mapping
    return {**mapping, "experiment": str(folder / mapping["experiment"])}


def name_runs(value: dict[str, Any], find: Find | None, origin: Callable[[Keys], str]) -> dict[str, Any]:
    """The value of a run with the whole id where weights to start from are ``runs/<first digits>``.

    Raises:
        ConfigError: beginning with the field's ``origin``, for digits that no run's id begins with, or several.
    """
    backbone: Any = value.get("backbone")
    written = backbone.get("pretrained") if isinstance(backbone, dict) else None
    named = RUN.fullmatch(written) if isinstance(written, str) else None
    if named is None or len(named[1]) == 12 or find is None:
        return value
    try:
        return {**value, "backbone": {**backbone, "pretrained": f"runs/{find(named[1])}"}}
    except ConfigError as error:
        where = f"{origin(('backbone', 'pretrained'))}: backbone.pretrained: "
        raise ConfigError(where + problem for problem in error.problems) from None


# ---------------------------------------------------------------- the pretraining of a run


def base_backbone(written: Document, run: Run) -> Backbone:
    """The backbone that a file was written with, which pretraining is made for, before the command line overrides it."""
    if run.pretrain is not None:
        with suppress(ValidationError):  # it may need the overrides
            run = config.make(Run, written.value)
    backbone: Backbone = run.backbone
    return backbone


def complete(run: Run, base: Backbone, read: Callable[[str], Run], where: str) -> Run:
    """The run with its whole pretraining; ``base`` is the backbone that this was written for.

    Raises:
        ConfigError: beginning with ``where``, for what is wrong in its file, and if it is not of ``base``'s architecture.
    """
    asked = run.pretrain
    if asked is None or asked.experiment is None:
        return run
    try:
        first = with_architecture(read(asked.experiment), run.backbone, base, asked.experiment)
        (first,) = first.with_seeds([run.seed if asked.seed == "same" else asked.seed])
        weights = asked.weights or ("last" if first.ema_decay is None else "ema")
        told = {"experiment": asked.experiment, "seed": asked.seed, "weights": weights, "run": first}
        pretrain = config.validate(Pretrain, Document(told, {(): asked.experiment}))
    except ConfigError as error:
        raise ConfigError(f"{where}: pretrain: {problem}" for problem in error.problems) from None
    return run.model_copy(update={"pretrain": pretrain})


def with_architecture(first: Run, wanted: Backbone, base: Backbone, file: str) -> Run:
    """The pretraining with the architecture of ``wanted``; its other fields stay its own, where the kind has them.

    Raises:
        ConfigError: if it is of another architecture than ``base``, and if it cannot be trained with the one wanted.
    """
    own = first.backbone
    if own.architecture() == wanted.architecture():
        return first
    if (field := _difference(own, base)) is not None:
        here, there = (_shown(backbone.architecture().get(field)) for backbone in (base, own))
        raise ConfigError(
            f"{file}: backbone.{field} is {there} there and {here} here: both runs have one architecture, "
            "which a sweep then changes in both"
        )
    pretrain = first.pretrain
    if pretrain is not None and pretrain.run is not None:
        inner = with_architecture(pretrain.run, wanted, own, pretrain.experiment or file)
        pretrain = pretrain.model_copy(update={"run": inner})
    fields = type(wanted).model_fields
    stays = {name: getattr(own, name, fields[name].get_default()) for name in wanted.not_architecture}
    values = {name: getattr(first, name) for name in type(first).model_fields}
    values |= {"backbone": {**wanted.architecture(), **stays}, "pretrain": pretrain}
    try:
        return config.make(Run, values)
    except ValidationError as error:
        place = f"{file} with this architecture"
        raise ConfigError(config.explain(error, Run, Document(values, {(): place, ("backbone",): place}))) from None


def _difference(a: Backbone, b: Backbone) -> str | None:
    """The first field of the architecture that two backbones differ in."""
    of_a, of_b = a.architecture(), b.architecture()
    return next((name for name in of_a if name not in of_b or of_a[name] != of_b[name]), None)


def _shown(value: Any) -> str:
    return json.dumps(value.model_dump(mode="json") if isinstance(value, BaseModel) else value)
