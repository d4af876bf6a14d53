"""Starting and finishing a run of W&B, without ever waiting long for its server."""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any, Literal

from pvt_exp.system import files
from pvt_exp.tracking import server

Mode = Literal["online", "offline"]
INIT_TIMEOUT_S = 5
FINISH_TIMEOUT_S = 6
REQUEST_TIMEOUT_S = 5
"""Of one request that sets a run up or changes its summary; curves and files have W&B's own, longer patience."""
UNSENT = "unsent"
"""File beside the folder of an online run, from its start until all is with the server."""
UNTOLD = "wandb-untold.txt"
"""File in the folder of what was to be told: a line for each thing that W&B was not told, and why."""
OF_AN_AGENT = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""Variables with which a W&B agent says what the next W&B run belongs to."""


def start(folder: Path, mode: Mode, agent: bool = False, **told: Any) -> Any:
    """A run of W&B with its files under ``folder/wandb``; ``told`` are words of ``wandb.init``.

    Where the server cannot be reached, or is lost on the way, the run is offline, and what is printed says why. ``agent``:
    it is the run that a W&B agent asked for, and has the id that the agent gave.

    Raises:
        Exception: what W&B raises, if not even an offline run can be started.
    """
    # Its reports on itself go to the same server, offline too, and would keep the process at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if not agent:  # what is trained on the way to that run is none of the agent's
        for name in OF_AN_AGENT:
            os.environ.pop(name, None)
    if mode == "online" and (why := server.problem()) is not None:
        mode = _offline(folder, why)
    import wandb

    try:
        return _init(folder, mode, **told)
    except Exception as error:
        if mode != "online":
            raise
        mode = _offline(folder, str(error))
    wandb.teardown()  # its service holds the run's id
    return _init(folder, mode, **told)


def _offline(folder: Path, why: str) -> Mode:
    untold(folder, f"{why}; what is told goes to files, which `pvt-exp wandb sync` uploads later")
    return "offline"


def untold(folder: Path, why: str) -> None:
    """Say that W&B was not told something, in the log and in `UNTOLD`, which the driver reads."""
    line = " ".join(why.split())
    print(f"W&B: {line}", flush=True)
    with contextlib.suppress(OSError):
        files.append(folder / UNTOLD, line + "\n")


def said_untold(folder: Path) -> list[str]:
    """What `untold` was told of a folder."""
    try:
        return (folder / UNTOLD).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _init(folder: Path, mode: Mode, **told: Any) -> Any:
    import wandb

    settings = wandb.Settings(
        init_timeout=INIT_TIMEOUT_S,
        finish_timeout=FINISH_TIMEOUT_S,
        finish_timeout_raises=True,
        x_graphql_timeout_seconds=REQUEST_TIMEOUT_S,
        x_graphql_retry_max=1,
        console="off",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = wandb.init(dir=folder, mode=mode, resume="allow", settings=settings, **told)
    if mode == "online":
        _mark(folder).touch()
    return run


def finish(run: Any, folder: Path, exit_code: int = 0) -> None:
    """Finish a run that `start` gave; what is not with the server within seconds is left to ``pvt-exp wandb sync``.

    Raises:
        Exception: what W&B raises.
    """
    try:
        run.finish(exit_code=exit_code)
    except TimeoutError:
        untold(folder, "the server takes its time; `pvt-exp wandb sync` uploads what it lacks")
        return
    _mark(folder).unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    return folder / "wandb" / UNSENT
