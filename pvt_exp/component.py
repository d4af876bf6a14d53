"""A component is a file, and its ``kind`` is the file's name.

``backbone: {kind: pvt}`` means the class ``Settings`` of ``pvt_exp/backbones/pvt.py``. Whoever adds a file adds a kind;
another package adds kinds by entry points in the group ``pvt_exp.backbones`` (the name is the kind, the value a module).
"""

import importlib
import pkgutil
from functools import cache, reduce
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from pvt_exp.config import Frozen


class Component(Frozen):
    """What can be chosen by ``kind``. Subclasses declare ``kind: Literal["<file name>"] = "<file name>"``."""

    revision: ClassVar[int] = 1
    """Raised when what the component computes changes, so that results from before are not taken for new ones."""


@cache
def kinds(group: str) -> dict[str, type[Component]]:
    """Every kind of ``backbones``, ``tasks``, ``datasets``, ... : name to its ``Settings``."""
    package = importlib.import_module(f"pvt_exp.{group}")
    modules = {
        info.name: f"{package.__name__}.{info.name}"
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    }
    modules |= {point.name: point.value for point in _entry_points().select(group=f"pvt_exp.{group}")}
    return {kind: importlib.import_module(module).Settings for kind, module in sorted(modules.items())}


_entry_points = cache(entry_points)  # of all packages, which takes a while


def one_of(group: str) -> Any:
    """The annotation of a field that holds one component of ``group``."""
    settings = list(kinds(group).values())
    if len(settings) == 1:
        return settings[0]
    return Annotated[cast(Any, reduce(or_, settings)), Field(discriminator="kind")]
