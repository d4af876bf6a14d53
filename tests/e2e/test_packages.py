"""Packages that are installed beside pvt_exp, each as a process meets them: what they are of, what their code is, and what
becomes of one that cannot be loaded."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pvt_exp.config import component
from pvt_exp.store import provenance
from tests.conftest import EXPERIMENT, SWEEP, environment, hear_signals
from tests.plugin import WIDE, install

PROBE = """
import json
from pvt_exp import cli; from pvt_exp.config import component, unavailable; from pvt_exp.store import provenance
from pvt_exp.report.page import Report
found = {name: [each.version, each.files_sha256, sorted(each.roots)] for name, each in provenance.packages().items()}
print(json.dumps({"lacking": unavailable.every(), "slow": component.SLOW, "packages": found}))
"""
OTHER = WIDE.replace("wide", "{}")
COMPONENT = "from pvt_exp.config.component import Component\n"


def probe(folder: Path, **env: str) -> dict[str, Any]:
    """What pvt_exp makes of the packages in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder), **env),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))  # and nothing that a package prints


UNTYPED = COMPONENT + "class Settings(Component):\n    kind: str = 'untyped'\n"
BROKEN = {
    "gone": ("lost", "", "ModuleNotFoundError: No module named 'lost'"),
    "torn": ("torn", "def f(:\n", "SyntaxError: invalid syntax (torn.py, line 1)"),
    "ends": ("ends", "import sys\nsys.exit('no licence\\nfound')\n", "SystemExit: no licence found"),
    "stops": ("stops", "raise KeyboardInterrupt\n", "entry point stops: KeyboardInterrupt"),
    "bare": ("bare", "x = 1\n", "has no class Settings"),
    "alien": (
        "alien",
        "class Settings:\n    kind = 'alien'\n",
        "its Settings is no pvt_exp.config.component.Component",
    ),
    "called": ("called", OTHER.format("other", "other"), 'its Settings must have kind: Literal["called"] = "called"'),
    "untyped": ("untyped", UNTYPED, 'must have kind: Literal["untyped"]'),
    "kindless": ("kindless", COMPONENT + "class Settings(Component):\n    x: int = 1\n", 'Literal["kindless"]'),
    "colon": ("colon:Settings", OTHER.format("colon", "colon"), "names a module, without what follows the colon"),
    "typed": ("typed", OTHER.format("typed", "typed") + "    x: 'Nowhere'\n", "a type that its Settings names"),
    "pvt": ("mine", OTHER.format("pvt", "pvt"), "gives it the name of a kind of pvt_exp, which stays"),
}
"""Kinds of a package each: what its entry point says, the file that it has, and what is wrong."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package for each way not to be loaded, one that is had twice, a slow one that prints, and a sweep."""
    folder = tmp_path_factory.mktemp("site")
    for kind, (point, text, _) in BROKEN.items():
        file = {} if kind == "gone" else {f"{point.partition(':')[0]}.py": text}
        install(folder, f"package-{kind}", {f"backbones/{kind}": point}, file)
    for name in ("one", "two"):
        install(
            folder, name, {"backbones/twice": f"twice_{name}"}, {f"twice_{name}.py": OTHER.format("twice", "twice")}
        )
    (folder / "torch.py").touch()
    install(
        folder,
        "pvt-slow",
        {"backbones/slow": "slow.kinds"},
        {"slow/__init__.py": "print('hello')\n", "slow/kinds.py": "import torch\n" + OTHER.format("slow", "slow")},
    )
    install(folder, "pages", {"tables/wall": "wall"}, {"wall.py": "1 / 0\n"})
    (folder / "base.yaml").write_text(EXPERIMENT)
    (folder / "sweep.yaml").write_text(SWEEP)
    return folder


def test_what_cannot_be_loaded_is_named_with_its_reason(broken: Path) -> None:
    found = probe(broken)
    lines = found["lacking"]
    for kind, (_, _, why) in BROKEN.items():
        (line,) = [line for line in lines if line.startswith(f"kind {kind} of backbones")]
        assert f"package package-{kind} 1.0" in line
        assert why in line
        assert "\n" not in line
    assert "kind twice of backbones: several packages have it: one 1.0, two 1.0; uninstall all but one" in lines
    assert "kind wall of tables: package pages 1.0, entry point wall: ZeroDivisionError: division by zero" in lines
    assert len(lines) == len(BROKEN) + 2
    assert [line for line in found["slow"] if "pvt-slow 1.0: slow.kinds imports torch" in line]
    assert list(found["packages"]) == ["pvt-slow"]


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("pvt-exp")), *words]
    return subprocess.run(command, cwd=folder, env=environment(PYTHONPATH=str(folder)), capture_output=True, text=True)


def test_all_else_works(broken: Path) -> None:
    for words in (["--help"], ["plan", "sweep.yaml", "--json"]):
        done = typed(broken, *words)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "note: kind ends of backbones: package package-ends 1.0, entry point ends: SystemExit" in done.stderr
        assert "note: package pvt-slow 1.0: slow.kinds imports torch" in done.stderr
    assert json.loads(done.stdout)["runs"] == 4


METADATA = "Metadata-Version: 2.1\nName: half\nVersion: 1.0\n"
POINTS = "[pvt_exp.backbones]\nhalf = half\n"
DAMAGED = {
    "no METADATA": ({"entry_points.txt": POINTS}, "its METADATA is missing or lacks Name and Version"),
    "no name": (
        {"METADATA": "Metadata-Version: 2.1\nVersion: 1.0\n", "entry_points.txt": POINTS},
        "its METADATA is missing or lacks Name; reinstall or uninstall it",
    ),
    "no version": (
        {"METADATA": "Metadata-Version: 2.1\nName: half\n", "entry_points.txt": POINTS},
        "package half: its METADATA is missing or lacks Version",
    ),
    "METADATA in Latin-1": (
        {"METADATA": METADATA.encode() + "Author: Jos\u00e9\n".encode("latin-1"), "entry_points.txt": POINTS},
        "its METADATA is missing or lacks Name and Version",
    ),
    "entry points in Latin-1": (
        {"METADATA": METADATA, "entry_points.txt": POINTS.encode() + "caf\u00e9 = half\n".encode("latin-1")},
        "package half 1.0: its entry_points.txt is not text in UTF-8",
    ),
    "an entry point of nothing": (
        {"METADATA": METADATA, "entry_points.txt": "[pvt_exp.backbones]\nhalf = \n"},
        "kind half of backbones: package half 1.0: entry point '' names no module",
    ),
    "a name that is no module": (
        {"METADATA": METADATA, "entry_points.txt": "[pvt_exp.backbones]\nhalf = my-package.kinds\n"},
        "package half 1.0: entry point 'my-package.kinds' names no module",
    ),
    "a colon and nothing behind it": (
        {"METADATA": METADATA, "entry_points.txt": "[pvt_exp.backbones]\nhalf = half.kinds:\n"},
        "package half 1.0: entry point 'half.kinds:' names no module",
    ),
    "a line that is no entry point": (
        {"METADATA": METADATA, "entry_points.txt": "[pvt_exp.backbones]\nhalf\n"},
        "package half 1.0: its entry_points.txt cannot be read",
    ),
}
"""What a package's dist-info holds, as after an uninstall that was broken off, and what is said of it."""


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_package_whose_metadata_are_damaged_costs_its_kinds_alone(damage: str, tmp_path: Path) -> None:
    files, why = DAMAGED[damage]
    info = tmp_path / "half-1.0.dist-info"
    info.mkdir()
    for name, content in files.items():
        (info / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    install(tmp_path, "pvt-wide", {"backbones/wide": "wide"}, {"wide.py": WIDE})
    done = typed(tmp_path, "models", "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert [why in line for line in notes] == [True], notes
    found = probe(tmp_path, PYDANTIC_DISABLE_PLUGINS="1")  # as the command itself has it
    assert list(found["packages"]) == ["pvt-wide"], "the other package works"


def test_a_damaged_package_that_adds_no_kinds_is_none_of_our_business(tmp_path: Path) -> None:
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes("[console_scripts]\ncaf\u00e9 = other\n".encode("latin-1"))
    done = typed(tmp_path, "models", "--json")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_ctrl_c_while_a_package_is_imported_ends_the_command(number: str, tmp_path: Path) -> None:
    """Without a traceback; another signal ends the process as it ever does."""
    text = f"import os, signal, time\nos.kill(os.getpid(), signal.{number})\ntime.sleep(30)\n"
    install(tmp_path, "package-slow", {"backbones/slow": "slow"}, {"slow.py": text})
    command = [sys.executable, "-m", "pvt_exp", "models"]
    env = environment(PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, preexec_fn=hear_signals
    )
    assert (done.returncode, done.stdout, done.stderr) == (130 if number == "SIGINT" else -signal.SIGTERM, "", "")


def test_its_use_is_refused_with_the_reason(broken: Path) -> None:
    (broken / "bad.yaml").write_text(EXPERIMENT.replace("kind: pvt", "kind: torn"))
    (broken / "bad_sweep.yaml").write_text("base: bad.yaml\nblocks: [{variants: {a: {}}}]\n")
    done = typed(broken, "plan", "bad_sweep.yaml")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: bad.yaml:3: backbone: kind 'torn' cannot be used here: package package-torn 1.0")
    assert "SyntaxError" in line


@pytest.mark.parametrize("where", ["wide.py", "wide/__init__.py", "wide/kinds.py", "company/wide/kinds.py"])
def test_the_code_of_a_package_is_hashed(where: str, tmp_path: Path) -> None:
    """Wherever and however it is installed; other files count as little as other packages of one namespace."""
    module = where.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    files = {where: WIDE, **({} if where == "wide.py" else {str(Path(where).parent / "nn.py"): "x = 1\n"})}
    hashes = []
    for name, editable in (("a", False), ("b", True), ("c", False)):
        folder = tmp_path / name
        install(folder, "pvt-wide", {"backbones/wide": module}, files, editable=editable)
        (folder / "company/others").mkdir(parents=True, exist_ok=True)
        (folder / "company/others/x.py").write_text(name)
        if name == "c":
            with (folder / list(files)[-1]).open("a") as file:
                file.write("# changed\n")
        found = probe(folder)
        assert not found["lacking"]
        version, digest, roots = found["packages"]["pvt-wide"]
        assert version == "1.0"
        assert roots == [where if where == "wide.py" else str(Path(where).parent)]
        hashes.append(digest)
    assert hashes[0] == hashes[1] != hashes[2]


MINE = "wide/sizes.json"


@pytest.mark.parametrize("editable", [False, True])
def test_what_lies_beside_the_code_of_a_package_counts(tmp_path: Path, editable: bool) -> None:
    """Changed, added or renamed; what Python and git write beside it does not."""
    recorded = {"wide/__init__.py": WIDE, MINE: "[1]", "more/table.yaml": "a: 1\n"}
    hashes = []
    changes: list[dict[str, str]] = [{}, {"wide/__pycache__/x.pyc": "1", "wide/.git/index": "1"}]
    changes += [
        {MINE: "[2]"},
        {os.fsdecode(b"wide/caf\xe9.txt"): ""},
        *([] if editable else [{"more/table.yaml": "a: 2\n"}]),
    ]
    for count, changed in enumerate(changes):
        folder = tmp_path / str(count)
        install(folder, "pvt-wide", {"backbones/wide": "wide"}, recorded, editable=editable)
        for name, text in changed.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        hashes.append(probe(folder)["packages"]["pvt-wide"][1])
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == len(hashes) - 1


def test_of_a_large_package_data_count_by_name_and_size(tmp_path: Path) -> None:
    hashes = []
    for count, (weights, code) in enumerate([(b"a", ""), (b"b", ""), (b"aa", ""), (b"a", "# changed\n")]):
        folder = tmp_path / str(count)
        install(folder, "pvt-wide", {"backbones/wide": "wide"}, {"wide/__init__.py": WIDE + code})
        (folder / "wide/large.bin").touch()
        os.truncate(folder / "wide/large.bin", provenance.MOST_BYTES)
        (folder / "wide/w.bin").write_bytes(weights)
        hashes.append(probe(folder)["packages"]["pvt-wide"][1])
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


BEGIN = """
from pathlib import Path
from pvt_exp.plan import expand; from pvt_exp import store
from pvt_exp.config.placement import Placement
runs = expand.load(Path("sweep.yaml"))[1].runs
store.create(Path("runs"))
for run in runs[:2]:
    store.attempt(Path("runs"), run, Placement(), "sweep")
print(runs[0].id)
"""


def test_a_store_says_of_which_package_a_kind_is_that_is_not_installed(tmp_path: Path) -> None:
    install(tmp_path / "site", "pvt-wide", {"backbones/wide": "wide"}, {"wide.py": WIDE}, version="2.1")
    (tmp_path / "base.yaml").write_text(EXPERIMENT.replace("kind: pvt", "kind: wide"))
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    there = environment(PYTHONPATH=str(tmp_path / "site"))
    begun = subprocess.run([sys.executable, "-c", BEGIN], cwd=tmp_path, env=there, capture_output=True, text=True)
    run_id = begun.stdout.strip()
    why = "kind 'wide' cannot be used here: it is of the package pvt-wide 2.1, which is not installed"
    for words, status in ((["plan", "sweep.yaml"], 2), (["report", "sweep.yaml"], 2), (["runs", "show", run_id], 0)):
        done = typed(tmp_path, *words)
        assert done.returncode == status, done.stderr
        assert why in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert "embed_dims: [8, 16, 16, 16]" in done.stdout, "what is written of it is shown all the same"
    assert why in typed(tmp_path, "why", run_id).stdout
    assert "2 runs" in typed(tmp_path, "status").stdout
    assert run_id in typed(tmp_path, "runs", "list").stdout
    shown = json.loads(typed(tmp_path, "runs", "show", run_id, "--json").stdout)
    assert shown["settings"]["backbone"]["kind"] == "wide"
    assert why in shown["problem"]


ANGRY = (
    OTHER.format("angry", "angry")
    + "\n    def model_post_init(self, context):\n        raise RuntimeError('boom\\nand more')\n"
)
MUTE = "class Mute(Exception):\n    def __str__(self):\n        raise ValueError('no')\n\nraise Mute\n"
TASK = """\
from typing import Literal

from pvt_exp.system import signals
from pvt_exp.tasks import classification

class Settings(classification.Settings):
    kind: Literal["odd"] = "odd"

    @property
    def declared(self):
        return ["top1"]
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages that raise, write past Python or misspell a group, and experiments that use them."""
    folder = tmp_path_factory.mktemp("odd")
    install(folder, "pvt-angry", {"backbones/angry": "angry"}, {"angry.py": ANGRY})
    install(folder, "pvt-mute", {"backbones/mute": "mute"}, {"mute.py": MUTE})
    install(folder, "pvt-odd", {"tasks/odd": "odd_task"}, {"odd_task.py": TASK})
    noise = "import os\n\nos.write(1, b'past Python\\n')\n" + OTHER.format("noise", "noise")
    install(folder, "pvt-noise", {"backbones/noise": "noise"}, {"noise.py": noise})
    install(folder, "pvt-typo", {"backbone/wide": "typo", "sounds/far": "typo"}, {"typo.py": WIDE})
    (folder / "base.yaml").write_text(EXPERIMENT)
    (folder / "sweep.yaml").write_text(SWEEP)
    (folder / "angry.yaml").write_text(EXPERIMENT.replace("kind: pvt", "kind: angry"))
    task = EXPERIMENT.replace("kind: classification", "kind: odd")
    assert task != EXPERIMENT
    (folder / "odd.yaml").write_text(task)
    return folder


def test_what_a_package_writes_past_python_is_no_output(odd: Path) -> None:
    done = typed(odd, "plan", "sweep.yaml", "--json")
    assert json.loads(done.stdout)["runs"] == 4
    assert "past Python" in done.stderr
    assert "note: kind mute of backbones: package pvt-mute 1.0, entry point mute: Mute\n" in done.stderr
    meant = "package pvt-typo 1.0: no group pvt_exp.backbone; did you mean pvt_exp.backbones"
    assert f"note: kind wide of backbone: {meant}\n" in done.stderr
    groups = ", ".join(component.GROUPS)
    assert f"note: kind far of sounds: package pvt-typo 1.0: no group pvt_exp.sounds; there are {groups}" in done.stderr


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("angry", "backbone: package pvt-angry 1.0: its settings cannot be checked: RuntimeError: boom and more"),
        ("odd", "task: package pvt-odd 1.0: the property 'declared' of kind odd: must be a tuple of Metric, not list"),
    ],
)
def test_settings_of_a_package_that_raise_are_told_with_its_name(odd: Path, base: str, why: str) -> None:
    (odd / "other.yaml").write_text(f"base: {base}.yaml\nblocks: [{{variants: {{a: {{}}}}}}]\n")
    done = typed(odd, "plan", "other.yaml")
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {base}.yaml:")
    assert line.endswith(why)
