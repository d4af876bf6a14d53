"""A sweep as W&B's: its agents fetch ids of planned runs, and train exactly these.

What an agent starts is ``pvt-exp wandb run SWEEP.yaml run=ID``, which plans the sweep again and trains that run of it.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Tracking
from pvt_exp.plan import Plan, Variant
from pvt_exp.system import children, files
from pvt_exp.tracking import client, server

LIMIT_S = 60.0
"""For W&B's own command, which would try a lost server for minutes."""


class Told(NamedTuple):
    """What is told of a sweep that W&B's agents train; fields of ``pvt-exp wandb sweep --json``."""

    sweep: str
    runs: int
    """How many it has."""
    left: list[str]
    """Ids of those that the agents train."""
    configuration: dict[str, Any] | None = None
    """W&B's; None where nothing is left to train."""
    file: str | None = None
    """Where that is written."""
    agent: str | None = None
    """The command of W&B's agents, once the sweep is registered."""


def configuration(planned: Plan, ids: Sequence[str], command: Sequence[str], tracking: Tracking) -> dict[str, Any]:
    """W&B's configuration of a sweep over the runs with these ids; ``command`` is what trains one, without ``run=ID``."""
    task = planned.runs[0].task
    where = {"project": tracking.project, **({"entity": tracking.entity} if tracking.entity else {})}
    return {
        "name": planned.name,
        "description": f"the planned runs of the sweep {planned.name}; results are in the run store",
        **where,
        "program": command[0],
        "method": "grid",
        "metric": {"name": task.metric, "goal": "maximize" if task.larger_is_better else "minimize"},
        "parameters": {"run": {"values": [f"runs/{run_id}" for run_id in ids]}},  # never to be read as a number
        "command": ["${env}", *command, "${args_no_hyphens}"],
    }


def write(content: dict[str, Any], path: Path) -> None:
    """Write a configuration as the YAML that ``wandb sweep`` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text(content))


def text(content: dict[str, Any]) -> str:
    """A configuration as YAML."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def register(path: Path) -> str:
    """Register a configuration with W&B; what ``wandb sweep`` says: the sweep's id, address and command for agents.

    Raises:
        ConfigError: without a key, for a server that cannot be reached, and for what W&B refuses.
    """
    later = f"it is in {path}; `wandb sweep {path}` registers it from here"
    if (why := server.problem()) is not None:
        raise ConfigError(f"the sweep is not registered: {why}; {later}")
    try:
        done = children.run(
            *("wandb", "sweep", str(path)),
            changes=dict.fromkeys(("WANDB_MODE", *client.OF_AN_AGENT)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"the sweep is not registered: W&B did not answer within {LIMIT_S:g} s; {later}") from None
    said = "\n".join(line.removeprefix("wandb: ") for line in (done.stdout + done.stderr).splitlines())
    if done.returncode or "wandb agent" not in said:
        raise ConfigError(f"the sweep is not registered: {(said.splitlines() or ['W&B says nothing'])[-1]}; {later}")
    return said


def agent(said: str) -> str:
    """The command of W&B's agents in what `register` gives."""
    (line,) = [line for line in said.splitlines() if "wandb agent" in line]
    return line[line.index("wandb agent") :].strip()


def alone(planned: Plan, run_id: str) -> Plan:
    """The plan of one run of a plan; ``run_id`` is its id, or ``runs/<id>``.

    Raises:
        ConfigError: if there is no such run in it.
    """
    run_id = run_id.removeprefix("runs/")
    for variant in planned.variants:
        for run in variant.runs:
            if run.id == run_id:
                return Plan(
                    planned.name,
                    (run.seed,),
                    (Variant(variant.labels, (run,)),),
                    file=planned.file,
                    changes=planned.changes,
                )
    raise ConfigError(f"run={run_id}: no run of {planned.name} as it is planned now; was the sweep changed since?")
