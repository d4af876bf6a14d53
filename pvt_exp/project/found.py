"""What ``pvt-exp init`` finds out about a person's data, so that it need not ask."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.config import ConfigError, DataError
from pvt_exp.config.component import kinds
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.system import files, machine
from pvt_exp.system.words import several

TASKS = ("classification", "detection", "instance", "semantic")
"""Those that a first experiment can be written for."""
SHAPES: dict[str, dict[str, Any]] = {
    "classification": {"num_classes": 10, "train_images": 1200, "val_images": 400, "distractors": 0},
    "detection": {"num_classes": 3, "train_images": 800, "val_images": 200, "distractors": 1},
    "instance": {"num_classes": 3, "train_images": 800, "val_images": 100, "distractors": 1},
    "semantic": {"num_classes": 3, "train_images": 800, "val_images": 200, "distractors": 1},
}
"""Settings of the drawn images for each task, where no data are given."""
USUAL_PX = {"classification": (224, 224), "semantic": (512, 512)}
"""Of images whose size is not known."""


class Data(NamedTuple):
    """The data of a new project."""

    root: Path | None
    """Their folder; None for those that are drawn on first use."""
    dataset: Dataset
    fields: dict[str, Any]
    """Of the run's ``dataset``, as they are written."""
    task: str
    facts: Facts
    px: tuple[int, int]
    """Height and width of a usual training image."""

    @property
    def name(self) -> str:
        """What the data are called in ``--data NAME=PATH``."""
        return self.dataset.name

    @property
    def in_words(self) -> str:
        """What was found out for the task."""
        classes = several(self.classes, "class", "classes")
        return f"{classes}, images of about {self.px[1]} x {self.px[0]} pixels (width x height)"

    @property
    def other_tasks(self) -> list[str]:
        """The tasks that the data could be used for as well."""
        possible = self.dataset.tasks - self.facts.unfit.keys() - {self.task}
        return [task for task in TASKS if task in possible]

    @property
    def classes(self) -> int:
        """``num_classes`` of the task."""
        return len(self.facts.class_names(self.task))


def data(place: str | None, task: str | None) -> Data:
    """The data at a place, as ``[NAME=]PATH`` says it; drawn images where none is given.

    Raises:
        ConfigError: if there is no such folder, or it holds data of no known kind, or of several.
        DataError: if what it holds cannot be used as it is.
    """
    if place is None:
        chosen = task or TASKS[0]
        return _looked(None, {"kind": "shapes", **SHAPES[chosen]}, chosen)
    named, equals, path = place.rpartition("=")
    root = machine.expanded(path)
    if not root.is_dir():
        raise ConfigError(f"--data {place}: no such folder: {path}")
    root = root.resolve()
    name = named if equals else re.sub(r"[^A-Za-z0-9_.-]+", "_", root.name).strip("_.-") or "data"
    kind, fields = _recognised(root, task)
    defaults = {field: info.default for field, info in kinds("datasets")[kind].model_fields.items()}
    fields = {field: value for field, value in fields.items() if value != defaults[field]}
    return _looked(root, {"kind": kind, "name": name, **fields}, task or _usual_task(kinds("datasets")[kind]))


def _recognised(root: Path, task: str | None) -> tuple[str, dict[str, Any]]:
    """The kind of data set and its fields."""
    possible = {
        name: kind
        for name, kind in sorted(kinds("datasets").items())
        if issubclass(kind, Dataset) and (kind.tasks & {task} if task else kind.tasks & {*TASKS})
    }
    found = {name: fields for name, kind in possible.items() if (fields := kind.recognised(root)) is not None}
    if len(found) == 1:
        return next(iter(found.items()))
    shown = files.shown(root)
    if found:
        raise ConfigError(
            f"--data {shown}: can be read as {' or as '.join(found)}; say --task, or leave one of them there"
        )
    known = "; ".join(f"{kind.expects} ({name})" for name, kind in possible.items() if kind.expects)
    due = f" for --task {task}" if task else ""
    raise ConfigError(
        f"--data {shown}: no known data set{due}; expected: {known}. docs/data.md says how to write others"
    )


def _usual_task(kind: type[Any]) -> str:
    """The first task that a kind of data set is for."""
    return next(task for task in TASKS if task in kind.tasks)


def _looked(root: Path | None, fields: dict[str, Any], task: str) -> Data:
    """With the facts, which need every file that the fields name.

    Raises:
        DataError: if the data cannot be used.
        ConfigError: if the name cannot be that of a data set.
    """
    kind: Any = kinds("datasets")[fields["kind"]]
    try:
        settings = kind.model_validate(fields)
    except ValueError as error:
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())  # type: ignore[attr-defined]
        raise ConfigError(f"--data: {told}") from None
    place = Path("data", settings.name) if root is None else root
    facts: Facts = settings.inspect(place)
    if task in facts.unfit:
        raise DataError(facts.unfit[task])
    return Data(root, settings, fields, task, facts, settings.usual_px(place) or USUAL_PX.get(task, (480, 640)))
