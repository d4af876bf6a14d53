"""What all tests share: a small experiment, and the command line as a user types it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded: tests beside each other need the cores
ROOT = Path(__file__).parent.parent
HOME = ROOT / ".pytest_cache" / "home"
"""The home folder of all tests, so that they neither read a person's files nor write there; what models cost is kept in
it from one call to the next."""
SHARED_DATA = Path(os.environ.get("PVT_EXP_TEST_DATA") or ROOT.parent / "shared" / "data")
"""Real data that some tests want and skip without."""

EXPERIMENT = """\
task: {kind: classification, num_classes: 4, image_px: 32}
dataset: {kind: shapes, num_classes: 4, image_px: 32, train_images: 96, val_images: 48}
backbone:
  kind: pvt
  preset: pvt_v2_b0
  embed_dims: [8, 16, 16, 16]
  heads: [1, 2, 2, 2]
  depths: [1, 1, 1, 1]
  mlp_ratios: [2, 2, 2, 2]
optim: {kind: adamw, lr: 2e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 2
batch_size: 16
"""

SWEEP = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - one_at_a_time:
      depth:
        deeper: {backbone.depths: [2, 1, 1, 1]}
        same as the base: {backbone.depths: [1, 1, 1, 1]}
"""


def _leave_home() -> None:
    """Before anything is imported that looks for the home folder; what tests start has it from here."""
    if os.environ.get("HOME") == str(HOME):  # a process that pytest-xdist started
        return
    own = Path(os.environ.get("HOME", "/nowhere"), ".gitconfig")
    if own.is_file():  # which may say that this checkout is safe
        os.environ.setdefault("GIT_CONFIG_GLOBAL", str(own))
    HOME.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = str(HOME)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC", "WANDB_API_KEY"):
        os.environ.pop(name, None)
    os.environ["XDG_CACHE_HOME"] = str(HOME / ".cache")


_leave_home()


def real_data(name: str) -> Path:
    """The folder of a real data set; skips the test where there is none."""
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"no data at {SHARED_DATA / name}")
    return SHARED_DATA / name


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A run that trains in seconds."""
    path = tmp_path / "base.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def sweep(experiment: Path) -> Path:
    """Two variants of it with two seeds each."""
    path = experiment.with_name("sweep.yaml")
    path.write_text(SWEEP)
    return path


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


PATIENCE_S = 600
"""After so long a test gives a process up; long, as a busy machine is no failure."""

Cli = Callable[..., subprocess.CompletedProcess[str]]


def environment(**changes: str) -> dict[str, str]:
    """The environment without what would lead the tests to a person's own data, runs or W&B."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PVT_EXP_", "WANDB_"))}
    return {**kept, "COLUMNS": "120", "WANDB_MODE": "disabled", **changes}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``pvt-exp`` as a process in an empty folder; ``ok=2`` is the exit status that is due (None: any).

    What it prints with ``--json`` has just the fields that docs/json.md names.
    """

    from tests.json_fields import check

    def call(
        *words: str | Path, ok: int | None = 0, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("pvt-exp")), *map(str, words)]
        done = subprocess.run(
            command,
            cwd=cwd or tmp_path,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        assert ok is None or done.returncode == ok, said
        assert "Traceback" not in done.stderr, said
        if "--json" in words and done.returncode in (0, 1):
            check([str(word) for word in words], done.stdout)
        return done

    return call


def hear_signals() -> None:
    """In a process that a test starts: what a shell runs in the background, or under nohup, ignores these two."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
