"""The verbs that use what was trained."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp.cli import choose
from pvt_exp.cli.options import RUNS, Gpus, Json, Machine, Overrides, Store
from pvt_exp.config import ConfigError
from pvt_exp.plan import pretraining

OF_OBJECTS = ("detection", "instance")
"""Kinds of tasks that find objects, each with a score."""


def predict(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of a finished run, or its first digits.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES...", help="Image files, folders of them, or patterns.")
    ],
    out: Annotated[Path | None, typer.Option(help="Output folder; by default predictions/<run id>.")] = None,
    score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Draw objects with at least this score; 0.5 by default.")
    ] = None,
    store_: Store = RUNS,
    gpus: Gpus = None,
    as_json: Json = False,
) -> None:
    """Predictions of a finished run on images: a picture of each, and predictions.json."""
    from pvt_exp.inference import image_paths, requests

    found = requests.find(store_, run_id)
    if score is not None and found.run.task.kind not in OF_OBJECTS:
        raise ConfigError(f"--score {score:g}: is for objects, and {found.run.task.kind} finds none")
    files, told = image_paths.images(images)
    out = out or Path("predictions", found.run.id)
    requests.room(out, found)
    slot = choose.one_slot(gpus)
    for line in told:
        print(line, file=sys.stderr)
    raise SystemExit(requests.predict(found, files, out, 0.5 if score is None else score, slot, as_json))


def evaluate(
    what: Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT.yaml", help="A finished run's id, or an experiment.")],
    machine: Machine,
    overrides: Overrides = None,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE|timm:TAG", help="Weights of the whole network, with an experiment.")
    ] = None,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Metrics of a finished run, or of published weights in an experiment's set-up. Trains nothing, writes nothing."""
    from pvt_exp.inference import requests

    slot = choose.one_slot(machine.gpus, machine.threads)
    if not what.endswith((".yaml", ".yml")):
        if weights is not None or overrides:
            raise ConfigError(
                f"{what}: a run has its own weights and settings; --weights and overrides go with a YAML file"
            )
        found = requests.find(store_, what)
        loading = machine.loading([slot], [found.run])
        raise SystemExit(
            requests.evaluate_run(found, machine.data or (), slot, loading, as_json, machine.threads is not None)
        )
    choose.refuse_sweep(Path(what))
    if weights is None:
        raise ConfigError(f"{what}: no weights are given; use --weights FILE or --weights timm:TAG")
    experiment = pretraining.experiment(Path(what), overrides or ())
    loading = machine.loading([slot], [experiment])
    raise SystemExit(requests.evaluate_weights(experiment, weights, machine.data or (), slot, loading, as_json))
