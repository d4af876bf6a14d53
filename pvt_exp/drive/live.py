"""A sweep while it runs: a table that moves in a terminal, and plain lines elsewhere."""

import time
from collections import Counter
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pvt_exp.config.metrics import Metric, value_of
from pvt_exp.config.run import Run
from pvt_exp.drive.board import Board, Group
from pvt_exp.statistics.scores import over_seeds
from pvt_exp.store.states import COLOURS, ENDED, GOING, RETRYABLE
from pvt_exp.system import files
from pvt_exp.system.words import duration, several

PLAIN_EVERY_S, DRAWN_EVERY_S, ESTIMATED_EVERY_S = 30.0, 0.25, 1.0
"""Between two lines, drawings and estimates of the time that is left."""
LARGEST_PART = 0.02
"""Of one core, for drawing and for estimating: both look at every run."""


class Turn:
    """When it is time again for what is done every so often, and in a small part of a core's time at most."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._next = every_s, 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._next

    def __enter__(self) -> None:
        self._begun, self._computed = time.monotonic(), time.thread_time()

    def __exit__(self, *error: object) -> None:
        took = time.thread_time() - self._computed  # CPU time: a time in which the machine was suspended does not count
        self._next = self._begun + max(self._every_s, took / LARGEST_PART)


class View:
    """Shows what is driven: lines, and while it is entered a `Board`, by `show`, which `driver.drive` calls."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._last_line = time.monotonic()
        self._begun = time.monotonic()
        self._drawing, self._estimating = Turn(DRAWN_EVERY_S), Turn(ESTIMATED_EVERY_S)
        self._left: float | None = None
        """The newest estimate of the seconds that are left."""

    @property
    def seconds(self) -> float:
        """Since runs were driven first."""
        return time.monotonic() - self._begun

    def say(self, line: str) -> None:
        """Print a line; on a terminal it is broken at spaces."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=not self.console.is_terminal)

    def __enter__(self) -> "View":
        self._begun = self._last_line = time.monotonic()
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def show(self, board: Board, ended: Run | None) -> None:
        """Draw; ``ended`` is the run that has just come to an end."""
        if ended is not None and (self.live is None or board.outcomes[ended.id].state != "done"):
            self.console.print(self._line(board, ended), highlight=False, soft_wrap=self.live is None)
            self._last_line = time.monotonic()
        if self.live and (board.stopping or self._drawing.is_due):
            with self._drawing:
                self.live.update(self._table(board))
        elif self.live is None and (board.stopping or time.monotonic() - self._last_line > PLAIN_EVERY_S):
            self._last_line = time.monotonic()
            self.console.print(self._summary(board), highlight=False, soft_wrap=True)

    def _line(self, board: Board, run: Run) -> Text:
        seen = board.outcomes[run.id]
        name = board.plan.names[run.id]
        text = Text.assemble((f"{seen.state:>8}", COLOURS[seen.state]), f"  {name}, seed {run.seed} ({run.id})")
        if seen.result is not None:
            tried = next((group for group in board.trials if run.id in group.trials), None)
            metric: Metric = tried.metric if tried else run.task.first_metric
            value = value_of(seen.result, metric.name)
            text.append(f"  no {metric.name}" if value is None else f"  {metric.name} {metric.text(value)}")
            text.append(f"  {duration(seen.result['provenance']['seconds'])}", "dim")
        elif seen.reason:
            text.append(f"  {files.line(seen.reason)}")
        if board.again is not None:
            text.append(f"; again, {board.again}", "cyan")
        if self.live is None:
            text.append(f"  [{self._summary(board).plain}]", "dim")
        return text

    def _summary(self, board: Board) -> Text:
        states = board.states
        total, done = max(len(board.outcomes), board.expected), states.get("done", 0)
        words = [f"{done} of {total} done"]
        if board.stopping:
            runs = several(len(board.going), "run")
            return Text(f"stopping: {words[0]}; {runs} write a checkpoint first (Ctrl-C again: at once)")
        if bad := sum(states.get(state, 0) for state in ENDED if state != "pruned"):
            words.append(f"{bad} not")
        if pruned := states.get("pruned"):
            words.append(f"{pruned} pruned")
        queued = sum(each.is_queued for each in board.going.values())
        if going := len(board.going) - queued:
            words.append(f"{going} running")
        if queued:
            words.append(f"{queued} submitted")
        words.append(f"{duration(self.seconds)} gone")
        left = self._seconds_left(board)
        if left is not None and done < total:
            words.append(f"about {duration(left)} left")
        return Text(", ".join(words))

    def _seconds_left(self, board: Board) -> float | None:
        if self._estimating.is_due:
            with self._estimating:
                self._left = board.seconds_left()
        return self._left

    def _table(self, board: Board) -> RenderableType:
        title = Text(board.title, "bold")
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        groups = board.groups
        metric = groups[0].metric.head if groups[0].runs else ""
        table.add_column("variant", no_wrap=True)
        table.add_column("trials" if board.trials else "done", justify="right", no_wrap=True)
        table.add_column(f"best {metric}" if board.trials else metric, justify="right", no_wrap=True)
        table.add_column("now", no_wrap=True)
        room = max(4, self.console.size.height - 5)
        shown = _most_telling(board, room)
        for group in shown:
            table.add_row(*self._row(board, group))
        if hidden := len(groups) - len(shown):
            table.add_row(Text(f"… and {hidden} more", "dim"), "", "", "")
        table.caption, table.caption_justify = self._summary(board), "left"
        return table

    def _row(self, board: Board, group: Group) -> tuple[RenderableType, ...]:
        seen = [board.outcomes[run.id] for run in group.runs if run.id in board.outcomes]
        done = sum(s.state == "done" for s in seen)
        ended = done + sum(s.state in ENDED and s.state not in RETRYABLE for s in seen)
        due = group.due or len(seen)
        others = Counter(s.state for s in seen if s.state not in ("done", "pending", *GOING))
        words = [state if count == 1 and not group.trials else f"{count} {state}" for state, count in others.items()]
        told = Text(", ".join(words), COLOURS[next(iter(others))] if others else "")
        now: RenderableType = told
        going = [run for run in group.runs if run.id in board.going]
        if going:
            now_going = board.going[going[0].id]
            steps = now_going.progress or {}
            bar = ProgressBar(total=1.0, completed=now_going.fraction, width=14)
            line = Table.grid(padding=(0, 1))
            for _ in range(3):
                line.add_column(no_wrap=True)
            which = group.trials[going[0].id].split(":")[0] if group.trials else f"seed {going[0].seed}"
            before = "submitted" if now_going.is_queued else "starting"
            epoch = f"epoch {steps['epoch']}/{steps['epochs']}" if steps else before
            line.add_row(bar, Text(f"{which} {epoch}", "cyan"), told if group.trials else "")
            now = line
        name = Text(group.name)
        name.truncate(max(12, self.console.size.width - 60), overflow="ellipsis")  # the rest is never cut
        count = ended if group.trials else done
        return name, Text(f"{count}/{due}", "green" if count == due else ""), Text(_score(board, group)), now


def _score(board: Board, group: Group) -> str:
    """The mean of the seeds that are done, or the best of the trials."""
    if not group.runs:
        return ""
    metric = group.metric
    seen = [board.outcomes[run.id] for run in group.runs if run.id in board.outcomes]
    found = (value_of(s.result, metric.name) for s in seen if s.result is not None and s.state == "done")
    values = [value for value in found if value is not None]
    if not values:
        return ""
    if group.trials:
        return metric.digits((max if metric.larger_is_better else min)(values))
    mean = over_seeds(values)
    assert mean is not None
    is_usual = metric == board.plan.runs[0].task.first_metric
    return (
        metric.digits(mean.mean) if is_usual else f"{metric.name} {metric.text(mean.mean)}"
    )  # of the pretraining's task


def _most_telling(board: Board, room: int) -> list[Group]:
    """The groups that fit: those that run first, then what is not done, then the rest; in the plan's order."""

    def weight(group: Group) -> int:
        if any(run.id in board.going for run in group.runs):
            return 0
        return 1 if any(board.outcomes[r.id].result is None for r in group.runs if r.id in board.outcomes) else 2

    groups = board.groups
    chosen = {id(group) for group in sorted(groups, key=weight)[:room]}
    return [group for group in groups if id(group) in chosen]
