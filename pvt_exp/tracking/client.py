"""Starts and finishes a W&B run; never waits long for the server."""

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
"""Timeout of a request that creates a run or changes its summary; for curves and files W&B has its own, longer ones."""
UNSENT = "unsent"
"""File beside the folder of an online run, from its start until all is uploaded."""
UNTOLD = "wandb-untold.txt"
"""File in the attempt's folder: a line for each thing that was not sent to W&B, and why."""
OF_AN_AGENT = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""Variables with which a W&B agent says what the next W&B run belongs to."""


def start(folder: Path, mode: Mode, agent: bool = False, **told: Any) -> Any:
    """A run of W&B with its files under ``folder/wandb``; ``told`` are arguments of ``wandb.init``.

    If the server cannot be reached, the run is offline, and the reason is printed. ``agent``: the run was requested by a
    W&B agent, and has the id that the agent gave.

    Raises:
        Exception: what W&B raises, if not even an offline run can be started.
    """
    # Its error reports go to the same server, even offline, and would delay the end of the process.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if not agent:  # a pretraining run is not the run that the agent asked for
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
    untold(folder, f"{why}; the run is recorded offline, and `pvt-exp wandb sync` uploads it later")
    return "offline"


def untold(folder: Path, why: str) -> None:
    """Note that something was not sent to W&B, in the log and in `UNTOLD`, which the driver reads."""
    line = " ".join(why.split())
    print(f"W&B: {line}", flush=True)
    with contextlib.suppress(OSError):
        files.append(folder / UNTOLD, line + "\n")


def said_untold(folder: Path) -> list[str]:
    """The lines that `untold` wrote to a folder."""
    try:
        return files.read_bytes(folder / UNTOLD).decode("utf-8", "replace").splitlines()
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
    """Finish a run that `start` gave; what is not uploaded within seconds is left to ``pvt-exp wandb sync``.

    Raises:
        Exception: what W&B raises.
    """
    try:
        run.finish(exit_code=exit_code)
    except TimeoutError:
        untold(folder, f"finish timed out after {FINISH_TIMEOUT_S} s; `pvt-exp wandb sync` uploads the rest")
        return
    _mark(folder).unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    return folder / "wandb" / UNSENT
