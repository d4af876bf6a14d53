"""`models`, `published` and `plan --cost` on a real terminal that is narrow: every value is there whole."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_S, Cli, environment


def on_a_terminal(words: list[str], width: int, folder: Path) -> list[str]:
    """The lines that a verb prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    kept = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
    command = ["timeout", str(PATIENCE_S), str(Path(sys.executable).with_name("pvt-exp")), *words]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, env={**kept, "TERM": "xterm"}, **pipes) as process:  # type: ignore[call-overload]
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # its end, on Linux
                break
            if not more:
                break
            said += more
        assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).splitlines()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_every_value_is_there_whole(width: int, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    lines = on_a_terminal(["models"], width, tmp_path)
    rows = {line.split()[1]: line.split()[2:] for line in lines if line.startswith("pvt ")}
    due = {
        each["preset"]: [f"{each['params'] / 1e6:.2f}", f"{each['macs'] / 1e9:.2f}"]
        for each in json.loads(cli("models", "--json").stdout)
        if each["kind"] == "pvt"
    }
    assert rows == due
    assert max(len(line) for line in lines if line.startswith("pvt ")) <= width
    lines = on_a_terminal(["published", "v1/table2"], width, tmp_path)
    words = [word for line in lines for word in line.split()]
    for figure in json.loads(cli("published", "v1/table2", "--json").stdout):
        for value in (figure["params"], figure["macs"], *figure["metrics"].values()):
            assert value is None or f"{value:g}" in words or f"{value:g}," in words, (value, lines)
    lines = on_a_terminal(["plan", str(sweep), "--cost"], width, tmp_path)
    words = [word for line in lines for word in line.split()]
    costs = json.loads(cli("plan", sweep, "--cost", "--json").stdout)["costs"]
    for each in costs:
        for name in ("params", "backbone_params", "head_params"):
            assert f"{each[name] / 1e3:.3f}" in words, (name, lines)
