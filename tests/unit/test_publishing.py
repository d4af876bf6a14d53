"""A file that appears whole, and of several writers the first wins: with hard links, and where there are none."""

import errno
import json
import multiprocessing
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.store import code_copy
from pvt_exp.system import files
from tests.conftest import ROOT

WRITERS, PATHS = 6, 30


def _refuse(number: int) -> Any:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return link


def _write(folder: Path, me: int, ready: Any, won: Any) -> None:
    os.link = _refuse(errno.EPERM)
    ready.wait()
    for number in range(PATHS):
        if files.publish(folder / f"{number}.json", json.dumps({"writer": me, "much": "x" * 5000})):
            won.put((number, me))
    won.put(None)


def test_of_writers_at_once_one_wins_without_hard_links(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, won = context.Barrier(WRITERS), context.Queue()
    writers = [context.Process(target=_write, args=(tmp_path, me, ready, won)) for me in range(WRITERS)]
    for each in writers:
        each.start()
    wins = []
    for _ in writers:
        while (told := won.get(timeout=60)) is not None:
            wins.append(told)
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    assert sorted(number for number, _ in wins) == list(range(PATHS))
    for number, me in wins:
        assert json.loads((tmp_path / f"{number}.json").read_text())["writer"] == me
    assert len(list(tmp_path.iterdir())) == PATHS, "nothing is left beside"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, 524])
def test_each_way_of_having_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "link", _refuse(number))
    files.check_publishing(tmp_path)
    assert files.publish(tmp_path / "a", "one")
    assert not files.publish(tmp_path / "a", "two")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "one"}


def test_what_a_killed_writer_began_is_brought_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the folder's rename and the file: the next writer publishes the first one's text, not its own."""
    monkeypatch.setattr(os, "link", _refuse(errno.EPERM))
    files.claim_folder(tmp_path / ".a.publishing", lambda part: files.write(part / "text", "the first"))
    assert not files.publish(tmp_path / "a", "the second")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "the first"}


def test_other_errors_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.publish(tmp_path / "a", "one")
    with pytest.raises(ConfigError, match="cannot keep runs here: Input/output error"):
        store.create(tmp_path / "runs")
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_place_that_cannot_publish_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(tmp_path)
    monkeypatch.setattr(files, "publish", lambda path, text: True)  # the last wins, as some network disks have it
    with pytest.raises(ConfigError, match="cannot keep runs here: a file cannot be made so that the first"):
        store.create(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.json"]


def test_code_is_frozen_where_rights_cannot_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chmod", _refuse(errno.EPERM))
    code_copy.freeze.cache_clear()
    try:
        copy = code_copy.freeze(tmp_path)
    finally:
        code_copy.freeze.cache_clear()
    assert (copy / "pvt_exp/backbones/pvt.py").read_bytes() == (ROOT / "pvt_exp/backbones/pvt.py").read_bytes()
    assert not list(copy.rglob("__pycache__"))


def test_what_a_process_that_was_killed_in_a_trial_left_is_removed_by_the_next(tmp_path: Path) -> None:
    if not (killed := os.fork()):
        os._exit(0)
    os.waitpid(killed, 0)
    here = platform.node()
    for name in (f".trial.{here}.{killed}", f".trial.{here}.{os.getppid()}", f".trial.elsewhere.{killed}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".file.x.tmp").touch()
    files.check_publishing(tmp_path)
    assert files.has_links(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f".trial.{here}.{os.getppid()}", f".trial.elsewhere.{killed}"]
    )
