"""Packages of third parties as tests have them: installed by being in a folder that Python looks in."""

from pathlib import Path

WIDE = """\
from typing import Literal

from pvt_exp.backbones import pvt

class Settings(pvt.Settings):
    kind: Literal["wide"] = "wide"
"""
"""A backbone of another package, which computes what ours does."""


def install(
    folder: Path, name: str, points: dict[str, str], files: dict[str, str], version: str = "1.0", editable: bool = False
) -> Path:
    """Put a package into a folder; ``points``: ``backbones/wide`` to what its entry point says. Its dist-info."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"[pvt_exp.{point.split('/')[0]}]\n{point.split('/')[1]} = {said}\n" for point, said in points.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    if not editable:
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    return info
