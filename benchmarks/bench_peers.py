"""The same trainings by `pvt-exp sweep`, by Hydra's --multirun, by Ray Tune and by a shell's loop over `python`.

Twenty-four real runs of some ten seconds (eight learning rates, three seeds; ``--runs 6`` for fewer, ``--short`` for
runs of some three seconds), one at a time with a thread for each core, on the same data; each trains with
`pvt_exp.train.fit.fit`. Hydra's launcher trains in its own process and isolates nothing; the loop starts a process for
each, as the usual shell script does; so does Ray Tune, from its servers. ``--ways ours,hydra,ours,hydra`` takes some of
them, in that order. Wall time, and CPU time of the whole machine meanwhile (so that servers count), each over that of
the first. ``OMP_WAIT_POLICY=passive`` is set for all of them, as `pvt-exp` sets it.

Hydra and Ray are installed into an environment of their own, ``build/peers``, which sees the packages of this one.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEERS, OWN = ROOT / "benchmarks/peers", ROOT / "build/peers"
CORES = len(os.sched_getaffinity(0))
EPOCHS = 2
SEEDS = (0, 1, 2)
NAMES = {"ours": "pvt-exp sweep", "hydra": "Hydra --multirun", "ray": "Ray Tune", "loop": "a shell's loop"}


def environment() -> Path:
    """The peers' Python."""
    if not (OWN / "bin/ray").exists():
        venv.create(OWN, with_pip=True, clear=True)
        (site,) = OWN.glob("lib/python*/site-packages")
        (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n" + str(ROOT) + "\n")
        words = ["-m", "pip", "install", "--quiet", "hydra-core", "ray[tune]"]
        subprocess.run([str(OWN / "bin/python"), *words], check=True)
    return OWN / "bin/python"


def busy() -> float:
    """CPU seconds that this machine has computed since its start."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def lay_out(folder: Path, data: Path | None, rates: list[float]) -> None:
    folder.mkdir()
    base = (ROOT / "experiments/quickstart/pvt.yaml").read_text()
    base = base.replace("epochs: 10", f"epochs: {EPOCHS}")
    if "--short" in sys.argv:
        base = base.replace("train_images: 1200", "train_images: 160")
    (folder / "base.yaml").write_text(base)
    choices = ", ".join(f'"{rate}": {{optim.lr: {rate}}}' for rate in rates)
    (folder / "sweep.yaml").write_text(
        f"base: base.yaml\nseeds: {list(SEEDS)}\nblocks:\n  - product: {{rate: {{{choices}}}}}\n"
    )
    (folder / "threads").write_text(str(CORES))
    if data is not None:
        shutil.copytree(data, folder / "data")


def ours(folder: Path, rates: list[float]) -> None:
    words = ["sweep", "sweep.yaml", "--gpus", "none", "--slots", "1", "--wandb", "disabled"]
    call([str(Path(sys.executable).with_name("pvt-exp")), *words], folder)


def loop(folder: Path, rates: list[float]) -> None:
    for seed in SEEDS:
        for rate in rates:
            call([sys.executable, str(PEERS / "training.py"), str(folder), str(rate), str(seed)], folder)


def hydra(folder: Path, rates: list[float]) -> None:
    words = ["--multirun", f"+rate={join(rates)}", f"+seed={join(SEEDS)}"]
    call([str(environment()), str(PEERS / "hydra_app.py"), *words], folder)


def ray(folder: Path, rates: list[float]) -> None:
    call([str(environment()), str(PEERS / "ray_app.py"), join(rates), join(SEEDS)], folder)


def join(values: "list[float] | tuple[int, ...]") -> str:
    return ",".join(map(str, values))


def call(command: list[str], folder: Path) -> None:
    env = {**os.environ, "BENCH_FOLDER": str(folder), "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def main() -> None:
    from importlib.metadata import version

    count = int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 24
    rates = [round(1e-3 * (n + 1), 4) for n in range(count // len(SEEDS))]
    environment()
    known: dict[str, Callable[[Path, list[float]], None]] = {"ours": ours, "hydra": hydra, "ray": ray, "loop": loop}
    asked = sys.argv[sys.argv.index("--ways") + 1].split(",") if "--ways" in sys.argv else list(known)
    print(f"{len(rates) * len(SEEDS)} runs, one at a time; {CORES} cores, torch {version('torch')}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / "first"  # draws the data, and warms the disk's cache
        lay_out(first, None, rates)
        loop_of_one = [sys.executable, str(PEERS / "training.py"), str(first), str(rates[0]), "9"]
        call(loop_of_one, first)
        base: tuple[float, float] | None = None
        for number, way in enumerate(asked):
            folder = Path(place) / f"{number}-{way}"
            lay_out(folder, first / "data", rates)
            before, begun = busy(), time.monotonic()
            known[way](folder, rates)
            wall, cpu = time.monotonic() - begun, busy() - before
            assert len(list(folder.glob("runs/*/result.json"))) == len(rates) * len(SEEDS)
            base = base or (wall, cpu)
            ratios = f"{wall / base[0]:.2f}, {cpu / base[1]:.2f}"
            print(f"  {NAMES[way]:18} {wall:6.0f} s, {cpu:6.0f} s of CPU; over the first {ratios}", flush=True)


if __name__ == "__main__":
    main()
