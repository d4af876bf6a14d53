"""What a training step costs where other processes have all cores, by how its threads wait for one another.

`pvt-exp` sets ``OMP_WAIT_POLICY=passive`` where nothing is set: threads that wait sleep. Beside it
OpenMP's own way, in which they spin for some milliseconds. One step of PVT v2-B0 (8 images of 96 px, forward and
backward) with a thread for each core, on an idle machine and beside one endless loop a core; the ways take turns, each
in a process of its own; medians.
"""

import os
import statistics
import subprocess
import sys

ROUNDS, STEPS = 3, 5
CORES = len(os.sched_getaffinity(0))


def seconds(policy: str | None) -> float:
    """Seconds a step in a fresh process."""
    kept = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    env = kept if policy is None else {**kept, "OMP_WAIT_POLICY": policy}
    told = subprocess.run([sys.executable, __file__, "--step"], env=env, capture_output=True, text=True, check=True)
    return float(told.stdout)


def step() -> None:
    import time

    import timm
    import torch

    torch.set_num_threads(CORES)
    model, images = timm.create_model("pvt_v2_b0", num_classes=10), torch.randn(8, 3, 96, 96)
    model(images).sum().backward()
    begun = time.perf_counter()
    for _ in range(STEPS):
        model(images).sum().backward()
    print((time.perf_counter() - begun) / STEPS)


def main() -> None:
    print(f"{CORES} cores, a thread each; seconds a step")
    for busy in (False, True):
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(CORES if busy else 0)]
        try:
            taken: dict[str | None, list[float]] = {"passive": [], None: []}
            for _ in range(ROUNDS):
                for policy, times in taken.items():
                    times.append(seconds(policy))
        finally:
            for loop in loops:
                loop.kill()
        ours, theirs = (statistics.median(times) for times in taken.values())
        where = "beside as many endless loops" if busy else "idle"
        print(f"{where}: passive {ours:.2f}, OpenMP's default {theirs:.2f}, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    step() if sys.argv[1:] == ["--step"] else main()
