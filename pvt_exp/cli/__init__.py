"""The command ``pvt-exp``. The verbs are thin: read what was typed, call the module that does it, print."""

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from pvt_exp.cli import inference, init, look, options, retrain, tables, tidy, train
from pvt_exp.cli import wandb as wandb_verbs
from pvt_exp.config import ConfigError, DataError, component, unavailable
from pvt_exp.system import files
from pvt_exp.system.streams import CLOSED, abandon, prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs = typer.Typer(no_args_is_help=True, help="Look at single runs, and remove them.")
app.add_typer(runs, name="runs")
wandb = typer.Typer(no_args_is_help=True, help="Upload offline runs to W&B, and launch from W&B; docs/wandb.md.")
app.add_typer(wandb, name="wandb")
VERBS: tuple[Callable[..., None], ...] = (
    init.init,
    *(look.plan, look.status, look.dashboard, look.models, look.published, look.schema),
    *(train.sweep, train.run, retrain.retrain, tables.report),
    *(look.why, tidy.stop, tidy.clean),
    *(inference.predict, inference.evaluate),
)
for verb in VERBS:
    app.command()(options.typed(verb))
runs.command("show")(options.typed(look.runs_show))
runs.command("list")(options.typed(look.runs_list))
runs.command("remove")(options.typed(retrain.runs_remove))
wandb.command("sync")(options.typed(wandb_verbs.sync))
wandb.command("sweep")(options.typed(wandb_verbs.sweep))
wandb.command("run")(options.typed(wandb_verbs.run))


def _say_version(asked: bool) -> None:
    if asked:
        print(f"pvt-exp {version('pvt-exp')}")
        raise typer.Exit


@app.callback()
def pvt_exp(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Ablation studies of Pyramid Vision Transformers: from a sweep file to a paper's table."""


def main() -> None:
    """The command ``pvt-exp``. Exit status 0: all is done; 1: some runs are not; 2: what was typed cannot be used."""
    gc.disable()  # a fifth of the time of a look at 10,000 runs; what trains turns it on again
    # Threads that wait for one another by spinning take the core that the other needs: where all cores are busy, a step
    # took 13 times as long (benchmarks/bench_busy.py). Read when torch is loaded, in a process that this one starts.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for line in (*unavailable.every(), *component.SLOW):
        print(f"note: {line}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        files.any_name(stream)
    try:
        prepare()
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a reader that has gone or a full disk is told, and not when Python ends
    except (ConfigError, DataError) as error:
        _refuse(str(error))
    except BrokenPipeError:  # `pvt-exp plan x | head`
        _leave()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer has made it the status of a run that is not done
            _leave()
        raise
    except OSError as error:
        if error.strerror is None:
            raise
        full = error.errno in files.FULL
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror}{'; free some space and type it again' if full else ''}", 1 if full else 2)
    finally:
        gc.freeze()  # else the interpreter searches it all for garbage on its way out


def _leave() -> NoReturn:
    abandon()
    raise SystemExit(CLOSED) from None


def _refuse(problems: str, status: int = 2) -> NoReturn:
    with contextlib.suppress(OSError):  # errors go nowhere
        for line in problems.splitlines():
            print(f"error: {line}", file=sys.stderr)
    abandon()  # what a full disk did not take
    raise SystemExit(status) from None
