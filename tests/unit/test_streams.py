"""What is printed as JSON is JSON, whatever the encoding of the terminal or pipe and whatever stands in a name."""

import io
import json
import os
import sys

import pytest

from pvt_exp.system import streams

NAMES = ["结果", "größer ± 😀", os.fsdecode(b"caf\xe9.png"), "\ud800", 'a "b"\n\\x']


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp1252"])
@pytest.mark.parametrize("name", NAMES)
def test_json_keeps_every_name(monkeypatch: pytest.MonkeyPatch, encoding: str, name: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    streams.prepare()
    value = {name: [name, {"nan": float("nan"), "inf": float("-inf"), "one": 1.5}]}
    streams.print_json(value)
    assert json.loads(raw.getvalue().decode(encoding)) == {name: [name, {"nan": None, "inf": None, "one": 1.5}]}


def test_json_is_readable_where_it_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    streams.print_json({"sweep": "结果"})
    assert '"结果"' in capsys.readouterr().out
