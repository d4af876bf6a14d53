"""The verbs that show the store and plans: they train nothing and change nothing."""

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pvt_exp import cost as pricing
from pvt_exp import launchers, store
from pvt_exp.cli import choose, looked
from pvt_exp.cli.console import console
from pvt_exp.cli.options import RUNS, Chosen, Json, Places, RunId, Store, SweepFile, data_sets
from pvt_exp.config import ConfigError
from pvt_exp.launchers import Launcher
from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import first_runs, in_words
from pvt_exp.store import trial_record
from pvt_exp.system import files

if TYPE_CHECKING:
    from pvt_exp.cli.planned import Planned


@pricing.counting()
def plan(
    sweep: SweepFile,
    chosen: Chosen,
    on: Places,
    as_json: Json = False,
    all_: Annotated[bool, typer.Option("--all", help="Every row, however many.")] = False,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost", help="Also the cost of each row: parameters, MACs, step memory, and hours once calibrated."
        ),
    ] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Train a few steps of each row first, to estimate the hours.")
    ] = False,
) -> None:
    """What a sweep would train: its rows, its runs and their states. Trains nothing, or a few steps to calibrate."""
    from pvt_exp.cli import views
    from pvt_exp.cost import estimate

    if on.gpus is not None:
        choose.gpu_numbers(on.gpus)  # also where nothing is counted, which is what they are for
    if on.workers != "auto":
        choose.worker_number(on.workers)
    settings, planned = chosen.read(sweep)
    store_ = chosen.store
    data = data_sets(on.data)
    found, at_hand, of_data = looked.look(planned, store_, data)
    if planned.file is not None and (line := store.same_name_in_words(store_, planned.name, planned.file)):
        print(f"note: {line}", file=sys.stderr)
    tried = trial_record.progress(planned, store_)
    told = None

    def places() -> tuple[Launcher, int]:
        launcher = on.launcher(settings.launcher)
        return launcher, on.loading(launcher.slots(), planned.order)

    if cost or calibrate:
        launcher, loading = places()
        placement = choose.placement("disabled", workers=loading, micro_batch=on.micro_batch)
        told = estimate.of(planned, found, tried, store_, launcher, placement, data, calibrate)
    if as_json:
        views.print_json({**views.plan_json(planned, found, tried, told), **of_data})
    else:
        views.print_plan(console(), planned, found, tried, None if all_ else 40)
        lines = in_words(at_hand.facts, first_runs(planned))
        lines += [f"cannot be trained on: {line}" for line in of_data["unfit"]]
        lines += [f"not looked at: {line}" for line in at_hand.absent]
        for line in lines:
            console().print(line, highlight=False, markup=False, soft_wrap=True)
        if told is not None:
            views.print_estimate(console(), planned, told, None if all_ else 40)
        try:
            at_once = launchers.at_once(*places())
        except ConfigError as error:  # of a sweep that another machine is to train
            at_once = f"nothing on this machine: {error}"
        console().print(f"at once: {at_once}", highlight=False, markup=False, soft_wrap=True)
    if told is not None and told.failed:
        raise ConfigError(told.failed)


def status(
    *,
    sweep: Annotated[
        Path | None, typer.Argument(metavar="[SWEEP.yaml]", readable=False, help="Only this sweep's runs.")
    ] = None,
    chosen: Chosen,
    as_json: Json = False,
) -> None:
    """The states of the runs of a sweep, or of the whole store."""
    from pvt_exp.cli import views

    store_ = chosen.store
    store.check(store_)
    _tell_if_absent(store_)
    if sweep is None:
        found = views.store_json(store_)
        views.print_json(found) if as_json else views.print_store(console(), found, store_)
        return
    _, planned = chosen.read(sweep)
    there = looked.look(planned, store_, data_sets(None))
    found = views.status_json(planned, store_, there.outcomes, trial_record.progress(planned, store_))
    views.print_json({**found, **there.data}) if as_json else views.print_status(console(), found)


def runs_show(
    run_id: RunId,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Everything about one run: settings, attempts, result, paths of its files. Of one that has not begun: its sweep."""
    from pvt_exp.cli import views
    from pvt_exp.cli.views.why import why as why_lines
    from pvt_exp.cli.views.why import why_json

    store.check(store_)
    whole, planned = _run(store_, run_id)
    if (store_ / whole / "run.yaml").exists():
        found = views.run_json(store_, whole)
        views.print_json(found) if as_json else views.print_run(console(), found)
    elif as_json:
        views.print_json(views.single_json(store_, whole))
    else:
        _print_lines(why_lines(why_json(store_, whole, planned)))


def why(
    run_id: RunId,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Why a run is in its state, how its attempts ended, and what to do."""
    from pvt_exp.cli import views
    from pvt_exp.cli.views.why import why as why_lines
    from pvt_exp.cli.views.why import why_json

    store.check(store_)
    found = why_json(store_, *_run(store_, run_id))
    views.print_json(found) if as_json else _print_lines(why_lines(found))


def _run(runs: Path, prefix: str) -> tuple[str, "Planned | None"]:
    """The whole id of a run of the store, or of a planned one that has not begun, with what is known of that."""
    from pvt_exp.cli import planned

    for begun in (True, False):
        with contextlib.suppress(store.NoRun):
            return store.find(runs, prefix, begun), None
    found = planned.find(runs, prefix)
    return found.run.id, found


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        console().print(line, highlight=False, markup=False, soft_wrap=True)


def _tell_if_absent(runs: Path) -> None:
    if (line := store.absent(runs)) is not None:
        print(f"note: {line}", file=sys.stderr)


def runs_list(
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Every run in the store with its state and metrics."""
    from pvt_exp.cli import views

    store.check(store_)
    _tell_if_absent(store_)
    found = views.store_json(store_)
    views.print_json(found) if as_json else views.print_runs(console(), found)


def dashboard(
    sweep: SweepFile,
    chosen: Chosen,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address of the page: 127.0.0.1 for this machine only, 0.0.0.0 for all.")
    ] = "127.0.0.1",
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Write the studies into this database, and show no page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A sweep in the browser while it runs and after: curves, history, the importance of each axis (optuna-dashboard)."""
    from pvt_exp.cli import views
    from pvt_exp.tune import dashboard as page

    store.check(chosen.store)

    def read() -> Plan:
        return chosen.read(sweep)[1]

    def show(shown: page.Shown) -> None:
        if as_json:
            views.print_json(shown._asdict())
        else:
            print(shown.in_words(), flush=True)

    if storage is not None:
        show(page.write(read, chosen.store, storage))
    else:
        page.serve(read, chosen.store, host, port, show)


def models(as_json: Json = False) -> None:
    """All presets, also of other packages, with parameters and multiply-accumulates at 224 px."""
    from pvt_exp.cli import views

    found = views.models_json(pricing.each)
    views.print_json(found) if as_json else views.print_models(console(), found)


def published(
    beginning: Annotated[
        str, typer.Argument(metavar="[REFERENCE]", help="Beginning of the references, for example v1/table2.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Published figures, with the references that a sweep's ``published`` takes."""
    from pvt_exp.cli import views

    found = views.published_figures(beginning)
    views.print_json(views.published_json(found)) if as_json else views.print_published(console(), found)


def schema(
    out: Annotated[Path, typer.Option(help="Folder for run.json, sweep.json and report.json.")] = Path("docs/schema"),
    as_json: Json = False,
) -> None:
    """Write the JSON Schemas with which editors complete and check the YAML files."""
    from pvt_exp.cli import json_schema, views

    out.mkdir(parents=True, exist_ok=True)
    texts = {out / name: text for name, text in json_schema.texts().items()}
    for path, text in texts.items():
        files.put(path, text)
    if as_json:
        views.print_json({"files": list(map(str, texts))})
    else:
        print("\n".join(map(str, texts)))
