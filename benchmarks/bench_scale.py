"""What looking at a sweep of 10,000 runs costs, beside `python -c 'import torch'`, which would be the least without care.

    python benchmarks/bench_scale.py [--large]        # also a report of 100,000 results, whose store takes minutes to make

Each figure is a whole process as a user starts it, output to a pipe; rounds of all commands and of the peer take turns,
and the least of each is told. ``plan`` sees an empty store, once with 10,000 variants of one seed and once with 3,364 of
three; ``status`` and ``report`` see a result for each run, made up here and as long as a real one. That torch was not
imported is read off ``python -X importtime``. ``plan --cost`` finds the cost of every row in the cache, a file each: 3,364
models that differ in drop path or depth. The targets: plan 1.5 s, with costs 3 s; the others 2 s, of 100,000 results 20 s.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = 3
SIDES = {"10,000 x 1": (100, 1), "3,364 x 3": (58, 3)}
"""Choices of each of two axes, and seeds."""


LARGE = (100, 10)
UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Set on some machines: modules would be compiled at every start, and lines written one by one."""


def write_sweep(folder: Path, side: int, seeds: int, second: str = "optim.weight_decay") -> Path:
    """A product of two axes over the quickstart's experiment."""
    lines = [f"base: {ROOT}/experiments/quickstart/pvt.yaml", f"seeds: {list(range(seeds))}", "blocks:", "  - product:"]
    for axis, field in (("rate", "optim.lr"), ("other", second)):
        lines += [f"      {axis}:", *(f"        {axis} {i}: {{{field}: {(i + 1) * 1e-5:.6f}}}" for i in range(side))]
    path = folder / f"product_{side}_{seeds}_{second}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


TESTED = {"test_macs": 568_000_000, "test_px": [224, 224]}


def count(cache: Path, sweep: Path) -> None:
    """A cost in the cache for each row, made up."""
    from pvt_exp import cost
    from pvt_exp.plan import expand
    from pvt_exp.system import files

    answer = {**result("", {})["cost"], "backbone_params": 3_000_000, "memory": 2**31, **TESTED}  # type: ignore[dict-item]
    code, folder = cost._code(), cache / "pvt_exp" / "costs"
    folder.mkdir(parents=True)
    for variant in expand.load(sweep)[1].variants:
        key = cost._key(cost._question(variant.first, memory=True), code)
        (folder / f"{key}.json").write_text(files.dump({"answer": answer}))


def fill(store: Path, sweep: Path) -> None:
    """A folder with a result for each run."""
    from pvt_exp import store as runs
    from pvt_exp.plan import expand

    draw = random.Random(0)
    runs.create(store)
    _, planned = expand.load(sweep)
    for run in planned.runs:
        folder = store / run.id
        (folder / "attempts/1").mkdir(parents=True)
        (folder / "sweeps").mkdir()
        (folder / "sweeps" / planned.name).touch()
        (folder / "attempts/1/end.json").write_text('{"state": "done"}')
        metrics = {"val_loss": draw.random(), "top1": 80 + draw.random(), "top5": 90 + draw.random()}
        (folder / "result.json").write_text(json.dumps(result(run.id, metrics), indent=1))


def result(run: str, metrics: dict[str, float]) -> dict[str, object]:
    libraries = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "timm", "numpy", "pillow", "pvt-exp")
    return {
        "format": 1,
        "run": run,
        "epoch": 10,
        "metrics": metrics,
        "best": {"epoch": 9, "metrics": metrics},
        "cost": {"params": 3_666_760, "trainable_params": 3_666_760, "macs": 568_000_000, "input_px": [224, 224]},
        "data": {
            "name": "shapes",
            "fingerprint": "0123456789abcdef",
            "classes": 10,
            "images": {"train": 4000, "val": 1000},
            "skipped": 0,
        },
        "provenance": {
            "git": {"sha": "a" * 40, "dirty": False, "diff_sha256": None, "files_sha256": "b" * 64},
            "versions": dict.fromkeys(libraries, "1.2.3"),
            "hardware": {"host": "h", "system": "Linux", "processor": "p", "cores": 2, "threads": 1},
            "command": ["pvt-exp", "sweep", "sweeps/x.yaml"],
            "seconds": 100.0,
            "samples_seen": 1_200_000,
            "batch_size": 64,
            "micro_batch": 64,
            "lr": 0.002,
            "precision": "32",
            "pretrained": None,
            "resumed": 0,
            "attempt": 1,
        },
        "finished": "2026-01-01T00:00:00Z",
    }


def process(words: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a process, and what it wrote to standard error. It keeps what it compiles, as where people type."""
    kept = {name: value for name, value in os.environ.items() if name not in UNUSUAL}
    there = {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "XDG_CACHE_HOME": str(folder / "cache")}
    since = time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=folder, env=there, capture_output=True, text=True, check=True)
    return time.perf_counter() - since, done.stderr


def main() -> None:
    sys.path.insert(0, str(ROOT))
    print(f"commands at 10,000 runs; {os.cpu_count()} cores, python {sys.version.split()[0]}, torch {version('torch')}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands: dict[str, list[str]] = {}
        for name, (side, seeds) in SIDES.items():
            sweep = write_sweep(folder, side, seeds)
            fill(folder / sweep.stem, sweep)
            commands[f"plan, {name}"] = ["plan", sweep.name, "--store", "empty"]
            for verb in ("status", "report"):
                commands[f"{verb}, {name}"] = [verb, sweep.name, "--store", sweep.stem]
        sweep = write_sweep(folder, 58, 3, "backbone.drop_path")
        count(folder / "cache", sweep)
        commands["plan --cost, 3,364 x 3"] = ["plan", sweep.name, "--store", "empty", "--cost"]
        if "--large" in sys.argv:
            sweep = write_sweep(folder, *LARGE)
            fill(folder / sweep.stem, sweep)
            commands["report, 10,000 x 10"] = ["report", sweep.name, "--store", sweep.stem]
        taken: dict[str, list[float]] = {name: [] for name in (*commands, "torch")}
        for _ in range(ROUNDS):
            for name, words in commands.items():
                taken[name].append(process(["-m", "pvt_exp", *words], folder)[0])
            taken["torch"].append(process(["-c", "import torch"], folder)[0])
        least = {name: min(each) for name, each in taken.items()}
        for name, words in commands.items():
            imported = process(["-X", "importtime", "-m", "pvt_exp", *words], folder)[1]
            modules = {line.rpartition("|")[2].strip() for line in imported.splitlines() if "import time:" in line}
            heavy = sorted(modules & {"torch", "timm", "torchvision", "pytorch_lightning", "pandas", "numpy"})
            print(f"  {name}: {least[name]:.2f} s; heavy modules imported: {', '.join(heavy) or 'none'}")
    print(f"  python -c 'import torch': {least['torch']:.2f} s")
    ratios = [f"{name} {least[name] / least['torch']:.2f}" for name in commands]
    print(f"ratio command / import torch, below 1 is better: {'; '.join(ratios)}")


if __name__ == "__main__":
    main()
