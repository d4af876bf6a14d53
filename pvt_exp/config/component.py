"""A component is a file, and its ``kind`` is the file's name.

``backbone: {kind: pvt}`` means the class ``Settings`` of ``pvt_exp/backbones/pvt.py``. Whoever adds a file adds a kind;
another package adds kinds by entry points in the group ``pvt_exp.backbones`` (the name is the kind, the value a module).
A package whose module cannot be loaded costs its kind alone: `pvt_exp.config.unavailable` knows why.
"""

import contextlib
import importlib
import os
import pkgutil
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache, partial, reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from pvt_exp.config import PLAIN, Frozen, entry_points, unavailable
from pvt_exp.config.entry_points import Point
from pvt_exp.system import signals, spelling

GROUPS = (
    "backbones", "datasets", "detectors", "launchers", "losses", "metrics", "necks", "optimizers", "schedules",
    "tables", "tasks",
)  # fmt: skip
"""What there are kinds of."""
HEAVY = ("torch", "timm", "pytorch_lightning")
"""Libraries that take seconds to import, which every command would wait for."""


def _checked_once(settings: type[BaseModel], value: Any, make: Callable[[Any], Any]) -> Any:
    """Rows of a sweep share the components that they do not change: pydantic would run a class's own checks for each row."""
    return value if type(value) is settings else make(value)


class Component(Frozen):
    """What can be chosen by ``kind``. Subclasses declare ``kind: Literal["<file name>"] = "<file name>"``."""

    revision: ClassVar[int] = 1
    """Raised when what the component computes changes, so that results from before are not taken for new ones."""

    def __hash__(self) -> int:
        """Of the fields that have a hash: a component with a mapping or a list can be the key of a dict too."""
        values = self.__dict__.values()
        try:
            return hash((type(self), *values))
        except TypeError:
            return hash((type(self), *map(_hash, values)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What is one already is not checked again; other packages' checks are guarded, as they may raise anything."""
        schema = handler(source)
        if schema["type"] == "definition-ref":  # to what was made below
            return schema
        inner: Any = dict(schema)
        ref = inner.pop("ref", None)  # of the whole, or a JSON Schema would not name it
        check = _checked_once if cls.__module__.startswith("pvt_exp.") else _guarded
        return core_schema.no_info_wrap_validator_function(partial(check, cls), inner, ref=ref)


def _guarded(settings: type[Component], value: Any, make: Callable[[Any], Any]) -> Any:
    try:
        return make(value)
    except (ValidationError, ValueError, AssertionError):
        raise  # pydantic tells these with their field
    except Exception as error:
        raise ValueError(f"{of_package(settings)}: its settings cannot be checked: {in_words(error)}") from None


def _hash(value: Any) -> int:
    try:
        return hash(value)
    except TypeError:
        return 0


class Origin(NamedTuple):
    """The installed package that a kind comes from."""

    group: str
    kind: str
    package: str
    """The distribution's name."""
    version: str
    module: str
    """That has the kind's ``Settings``."""


_ORIGINS: dict[type[BaseModel], Origin] = {}
SLOW: list[str] = []
"""A line for each package that makes every command slow."""


@cache
def kinds(group: str) -> dict[str, type[Component]]:
    """Every kind of ``backbones``, ``tasks``, ``datasets``, ... that can be used: name to its ``Settings``."""
    package = importlib.import_module(f"pvt_exp.{group}")
    own = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    found = {kind: importlib.import_module(f"{package.__name__}.{kind}").Settings for kind in own}
    others: dict[str, list[Point]] = {}
    _tell_other_groups()
    of_group = (point for point in entry_points.every() if point.group == group)
    for point in sorted(of_group, key=lambda point: (point.name, point.value)):
        others.setdefault(point.name, []).append(point)
    for kind, points in others.items():
        try:
            settings = _of_a_package(kind, points, kind in found)
        except _CannotLoad as error:
            unavailable.put(group, kind, str(error))
            continue
        found[kind] = settings
        _ORIGINS[settings] = Origin(group, kind, points[0].package, points[0].version, points[0].module)
    return dict(sorted(found.items()))


@cache
def _tell_other_groups() -> None:
    """Remember kinds of groups that are not ours, as where ``pvt_exp.backbones`` is misspelled."""
    for point in sorted(entry_points.every(), key=lambda point: (point.group, point.name)):
        if point.group in GROUPS:
            continue
        near = [f"pvt_exp.{each}" for each in spelling.near(point.group, GROUPS)]
        hint = spelling.meant(near) or f"; there are {', '.join(GROUPS)}"
        why = point.problem if not point.group else f"no group pvt_exp.{point.group}{hint}"
        unavailable.put(point.group or "a group", point.name, f"package {point.label}: {why}")


class _CannotLoad(Exception):
    """Why a package's kind cannot be used, in one line."""


def _of_a_package(kind: str, points: list[Point], is_ours: bool) -> type[Component]:
    """The ``Settings`` that a package has for a kind."""
    names = list(dict.fromkeys(point.label for point in points))
    if is_ours:
        raise _CannotLoad(
            f"package {names[0]} gives it the name of a kind of pvt_exp, which stays; it needs another name"
        )
    if len({(point.label, point.value) for point in points}) > 1:
        raise _CannotLoad(f"several packages have it: {', '.join(names)}; uninstall all but one")
    point = points[0]
    if point.problem:
        raise _CannotLoad(f"package {names[0]}: {point.problem}")
    where = f"package {names[0]}, entry point {point.value}"
    if point.attr:
        raise _CannotLoad(f"{where}: names a module, without what follows the colon")
    settings = getattr(_imported(point.module, where, names[0]), "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, Component)):
        what = "has no class Settings" if settings is None else "its Settings is no pvt_exp.config.component.Component"
        raise _CannotLoad(f"{where}: {what}")
    field = settings.model_fields.get("kind")
    said = typing.get_args(field.annotation) if field else ()
    if said != (kind,) or (field and field.default != kind):
        raise _CannotLoad(f'{where}: its Settings must have kind: Literal["{kind}"] = "{kind}"')
    if not settings.__pydantic_complete__:
        raise _CannotLoad(f"{where}: a type that its Settings names is not known")
    return settings


def _imported(module: str, where: str, package: str) -> Any:
    """The module; what it prints goes where errors go, as standard output may be read by a program."""
    before = set(sys.modules)
    try:
        with _output_is_no_document(), signals.counting_interrupts() as interrupts:
            found = importlib.import_module(module)
    except BaseException as error:  # sys.exit among them, and a KeyboardInterrupt that no Ctrl-C made
        if isinstance(error, KeyboardInterrupt) and interrupts:
            raise
        raise _CannotLoad(f"{where}: {in_words(error)}") from None
    if slow := [name for name in HEAVY if name in sys.modules and name not in before]:
        SLOW.append(
            f"package {package}: {module} imports {slow[0]}, so every command waits for it; import it in build()"
        )
    return found


@contextlib.contextmanager
def _output_is_no_document() -> Iterator[None]:
    """Whatever writes to standard output, also past Python, writes where errors go."""
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        kept = None
    try:
        if kept is not None:
            with contextlib.suppress(OSError):  # nobody reads any more, or errors go nowhere
                if sys.stdout is not None:
                    sys.stdout.flush()
                os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def in_words(error: BaseException) -> str:
    """An exception of another package in one line; it may not even be able to say what it is."""
    try:
        words = " ".join(str(error).split())[:300]
    except Exception:
        words = ""
    return f"{type(error).__name__}{f': {words}' if words else ''}"


def of_package(settings: type[BaseModel]) -> str:
    """The package that a component's class comes from, for a message; its module where no package is known."""
    found = _ORIGINS.get(settings)
    return f"package {found.package} {found.version}" if found else settings.__module__


def origin(settings: type[BaseModel]) -> Origin | None:
    """The package that a component's class comes from; None for pvt_exp's own."""
    return _ORIGINS.get(settings)


def origins() -> list[Origin]:
    """Of all kinds of other packages that were loaded."""
    return list(_ORIGINS.values())


def parts(model: BaseModel) -> Iterator[Component]:
    """The components in a model, at any depth; not those of another run in it, which is recorded by itself."""
    for name in _names(type(model)):
        value = model.__dict__[name]
        if type(value) in PLAIN:
            continue
        for each in value if type(value) is tuple else (value,):
            if type(each) in PLAIN or not isinstance(each, BaseModel):
                continue
            if isinstance(each, Component):
                yield each
            if not _is_run(type(each)):
                yield from parts(each)


@cache
def _names(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that something stands in: of a field of texts or numbers there is nothing inside to look at."""
    return tuple(name for name, field in model.model_fields.items() if not _only_plain(field.annotation))


def _only_plain(annotation: Any) -> bool:
    """Whether values of this annotation are texts, numbers or nothing, or lists of them."""
    if annotation is Ellipsis or (isinstance(annotation, type) and annotation in PLAIN):
        return True
    if get_origin(annotation) is Literal:
        return True
    inside = get_args(annotation)
    return bool(inside) and all(map(_only_plain, inside))


@cache
def _is_run(model: type[BaseModel]) -> bool:
    return hasattr(model, "id")


def one_of(group: str, task: str | None = None, usual: str | None = None) -> Any:
    """The annotation of a field that holds one component of ``group``.

    Args:
        group: One of `GROUPS`.
        task: Only kinds that serve this kind of task.
        usual: The kind that is meant where none is written; none: it must be written where there are several.
    """
    settings = [each for each in kinds(group).values() if task is None or task in getattr(each, "tasks", ())]
    if len(settings) == 1:
        return settings[0]
    every: Any = Annotated[cast(Any, reduce(or_, settings)), Field(discriminator="kind")]
    return Annotated[every, BeforeValidator(partial(_with_kind, usual))] if usual else every


def _with_kind(usual: str, value: Any) -> Any:
    return {"kind": usual, **value} if isinstance(value, dict) else value
