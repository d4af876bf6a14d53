"""Settings of this machine: the folders of data sets."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pvt_exp import config
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Site
from pvt_exp.datasets import Dataset
from pvt_exp.system import machine


def load(own: Path = Path("site.yaml")) -> Site:
    """``$PVT_EXP_SITE``, else ``site.yaml`` in the current folder or where ``own`` says, else nothing special."""
    named = os.environ.get("PVT_EXP_SITE")
    path = Path(named) if named else own
    return config.load(Site, path, may_be_empty=True) if named or os.path.lexists(path) else Site()


def places(words: Sequence[str]) -> dict[str, str]:
    """``--data NAME=PATH`` words as a mapping.

    Raises:
        ConfigError: for a word of another form, a folder that does not exist, and a name with two folders.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"--data {word}: write NAME=PATH")
        if not machine.expanded(path).is_dir():
            raise ConfigError(f"--data {word}: no such folder: {path}")
        if found.setdefault(name, path) != path:
            raise ConfigError(f"--data {word}: {name} stands there twice, and the first is at {found[name]}")
    return found


def no_folder(name: str) -> str:
    """What is said of a data set of which nothing says where it is."""
    parent = os.environ.get("PVT_EXP_DATA")
    none_there = f", and $PVT_EXP_DATA ({parent}) has none of that name" if parent else ""
    return f"data set {name}: no folder is given{none_there}; use --data {name}=PATH, $PVT_EXP_DATA or site.yaml"


def locate(dataset: Dataset, flags: Mapping[str, str], site: Site) -> Path | None:
    """The folder of a data set: ``--data``, ``$PVT_EXP_DATA/NAME``, `site.yaml`; made ones default to ``data/``."""
    name = dataset.name
    parent = os.environ.get("PVT_EXP_DATA")
    if name in flags:
        return machine.expanded(flags[name]).resolve()
    if parent and ((Path(parent) / name).is_dir() or dataset.made):
        return (Path(parent) / name).resolve()
    if name in site.data:
        return machine.expanded(site.data[name]).resolve()
    return Path("data", name).resolve() if dataset.made else None
