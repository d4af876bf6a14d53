"""optuna-dashboard on a sweep, as a page that follows its runs or in a database that a team's dashboard reads."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pvt_exp.config import ConfigError
from pvt_exp.plan import Plan
from pvt_exp.system.words import several
from pvt_exp.tune.mirror import Mirror
from pvt_exp.tune.storage import open_storage, reason, shown

EVERY_S = 2.0
"""Between two looks at the store, or ten times as long as one takes."""


class Shown(NamedTuple):
    """What of a sweep can be seen; fields of ``pvt-exp dashboard --json``."""

    sweep: str
    trials: int
    """Runs and trials that were written."""
    studies: list[str]
    """Their names."""
    storage: str | None
    """The database, without its password; None where a page is shown."""
    address: str | None
    """Of the page; None where there is none."""

    def in_words(self) -> str:
        """One line."""
        if self.address is None:
            studies = "the study" if len(self.studies) == 1 else "the studies"
            return f"{several(self.trials, 'trial')} in {studies} {', '.join(self.studies)}"
        more = len(self.studies) - 1
        others = f" and {several(more, 'more study', 'more studies')}" if more > 0 else ""
        count = several(self.trials, "run or trial", "runs and trials")
        return f"{self.sweep}: {count} so far, at {self.address}{others} (Ctrl-C ends it)"


def write(read: Callable[[], Plan], runs: Path, url: str) -> Shown:
    """Make the studies of a sweep in a database, in place of those that were made before.

    Raises:
        ConfigError: for a database that cannot be used, and for one that has a study of that name from elsewhere.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        mirror = Mirror(read, runs, open_storage(url))
        written = mirror.refresh()
    except (OptunaError, SQLAlchemyError) as error:  # locked, full, or taken away meanwhile
        raise ConfigError(f"the storage {shown(url)} cannot be written to: {reason(error)}") from None
    _tell(mirror)
    return Shown(mirror.plan.name, written, mirror.studies, shown(url), None)


def serve(read: Callable[[], Plan], runs: Path, host: str, port: int, show: Callable[[Shown], None]) -> None:
    """Show the page until Ctrl-C, with what happens in the store meanwhile; ``show`` is called once it can be seen.

    Raises:
        ConfigError: without optuna-dashboard, and for a port that cannot be had.
    """
    try:
        import optuna_dashboard
    except ImportError:
        raise ConfigError("optuna-dashboard is not installed: pip install 'pvt-exp[tune]'") from None
    import optuna

    storage = optuna.storages.InMemoryStorage()
    mirror = Mirror(read, runs, storage)
    try:
        server = make_server(host, port, optuna_dashboard.wsgi(storage), _Threads, _Quiet)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--host {host} --port {port}: {why}; name another") from None
    began = time.monotonic()
    found = mirror.refresh()
    _tell(mirror)
    took = time.monotonic() - began
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://{host}:{server.server_port}/dashboard/studies/0"
    show(Shown(mirror.plan.name, found, mirror.studies, None, address))
    said = ""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(max(EVERY_S, 10 * took))
            began = time.monotonic()
            try:
                mirror.refresh()
            except ConfigError as error:  # the sweep's file is being edited
                if str(error) != said:
                    print(f"not followed for now: {(said := str(error))}", file=sys.stderr, flush=True)
            took = time.monotonic() - began


def _tell(mirror: Mirror, most: int = 20) -> None:
    """Say which results do not count and are therefore not shown."""
    for run, why in list(mirror.without.items())[:most]:
        print(f"{run}: {why}", file=sys.stderr)
    if (more := len(mirror.without) - most) > 0:
        print(f"and {several(more, 'more result')} that do not count (pvt-exp status names them)", file=sys.stderr)


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing of each request."""
