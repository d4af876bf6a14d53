"""Which image files are meant by a folder that was typed."""

import os
from pathlib import Path

import pytest

from pvt_exp.config import ConfigError, DataError
from pvt_exp.datasets import listing
from pvt_exp.inference import image_paths


def test_a_link_that_leads_nowhere_is_an_image_like_the_others_or_told_by_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("a.png", "more/b.png", "notes.txt", "more/.c.png"):
        (tmp_path / name).touch()
    for name in ("dead.png", "more/self.png", "dead.txt", "folder"):
        (tmp_path / name).symlink_to("self.png")
    found = image_paths.images([str(tmp_path)])
    assert [path.relative_to(tmp_path).as_posix() for path in found.images] == [
        "a.png", "dead.png", "more/b.png", "more/self.png"
    ]  # fmt: skip
    told = {line.what: (line.number, line.examples) for line in found.told}
    assert told == {
        "files ending in .txt": (2, ("dead.txt", "notes.txt")),
        "files without a suffix": (1, ("folder",)),
        "hidden images (a name that begins with a dot)": (1, ("more/.c.png",)),
    }
    with pytest.raises(DataError, match=r"(dead|self|folder).*: (No such file|Too many levels)"):
        listing(tmp_path, ".")  # data that are trained on are refused


def test_what_is_no_file_is_refused_by_its_name_and_told_where_a_pattern_matches_it(tmp_path: Path) -> None:
    """Opening a named pipe would wait without end."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    for word in (f"{tmp_path}/pipe.png", f"{tmp_path}/link.png", "/dev/null"):
        with pytest.raises(
            ConfigError, match=f"{word}: a named pipe, socket or device, where an image file is expected"
        ):
            image_paths.images([word])
    with pytest.raises(ConfigError, match="nothing matches it"):
        image_paths.images([f"{tmp_path}/*.png"])
    (tmp_path / "a.png").touch()
    (tmp_path / "dead.png").symlink_to("nowhere")
    found = image_paths.images([f"{tmp_path}/*.png"])
    assert [path.name for path in found.images] == ["a.png", "dead.png"]
    assert [(line.number, line.examples) for line in found.told] == [
        (2, (f"{tmp_path}/link.png", f"{tmp_path}/pipe.png"))
    ]
