"""The smallest example of every kind: of data sets a module of the kind's name here, which writes it to disk.

Of the other groups ``smallest/<group>/<kind>.yaml``, the fields without which its defaults do not do or take long. A new
kind is tested by adding one.
"""

from pathlib import Path
from typing import Any

from pvt_exp import config
from pvt_exp.config.component import kinds


def smallest(group: str, kind: str) -> Any:
    """The settings of a kind's smallest example; of its defaults where there is no file."""
    path = Path(__file__).parent / "smallest" / group / f"{kind}.yaml"
    fields = config.read(path).value if path.is_file() else {}
    return config.make(kinds(group)[kind], {"kind": kind, **fields})


def ours(group: str) -> list[str]:
    """The kinds of a group that are in this repository."""
    return [kind for kind, settings in kinds(group).items() if settings.__module__.startswith("pvt_exp.")]
