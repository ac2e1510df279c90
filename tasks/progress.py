"""Live lines on the terminal for what takes its time; nothing where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from wattcast.model.fit import Epoch
from wattcast.tasks.numbers import readable, with_unit

if TYPE_CHECKING:
    from wattcast.tasks.tuning.study import SharedStudy

_PHASES = {"select": "training", "refit": "refitting"}
_REFRESH_S = 1.0


@contextmanager
def live_epochs(epochs: int, members: int = 1, *, unit: str | None) -> Iterator[Callable[[Epoch], None]]:
    """A listener that shows epoch, loss, validation RMSE in `unit`, learning rate and the time that is left."""
    with _progress() as progress:
        yield _Lines(progress, epochs, members, unit).show


@dataclass
class _Lines:
    """The lines, one a member and phase; the first stands there from the beginning."""

    progress: Progress
    epochs: int
    members: int
    unit: str | None
    lines: dict[tuple[int, str], TaskID] = field(default_factory=dict)
    best: dict[int, Epoch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.line(1, "select", self.epochs, "compiling")

    def line(self, member: int, phase: str, total: int, state: str = "") -> TaskID:
        if (member, phase) not in self.lines:
            name = _PHASES[phase] + (f" {member} of {self.members}" if self.members > 1 else "")
            self.lines[member, phase] = self.progress.add_task(name, total=total, state=state)
        return self.lines[member, phase]

    def show(self, epoch: Epoch) -> None:
        total = self.epochs
        if epoch.phase == "refit":
            if epoch.member in self.best:  # not when a killed training goes on behind its choice
                total = self.best[epoch.member].number
                choosing = self.line(epoch.member, "select", total)
                self.progress.update(choosing, total=self.progress.tasks[choosing].completed)
        elif epoch.member not in self.best or (epoch.val_loss or 0) < (self.best[epoch.member].val_loss or 0):
            self.best[epoch.member] = epoch
        line = self.line(epoch.member, epoch.phase, total)
        self.progress.update(line, completed=epoch.number, state=describe(epoch, self.unit))


def describe(epoch: Epoch, unit: str | None) -> str:
    """One epoch in words: `loss 0.3921  validation 63.9 Wh  rate 0.002`."""
    validation = "" if epoch.val_rmse is None else f"  validation {with_unit(readable(epoch.val_rmse), unit)}"
    return f"loss {epoch.train_loss:.4f}{validation}  rate {epoch.learning_rate:.3g}"


@contextmanager
def live_study(study: SharedStudy) -> Iterator[None]:
    """One line: how many trials are done and running, by whomever, the best so far and the time left."""
    with _progress() as progress:
        line = progress.add_task("trials", total=study.plan.total, state="")
        stopped = Event()

        def watch() -> None:
            while not stopped.wait(_REFRESH_S):
                progress.update(line, completed=study.counts().done, state=study.describe())

        watcher = Thread(target=watch, daemon=True)
        if not progress.disable:
            watcher.start()
        try:
            yield
        finally:
            stopped.set()


@contextmanager
def live_steps(name: str, total: int) -> Iterator[Callable[[], None]]:
    """One line for `total` steps; what it yields is called after each."""
    with _progress() as progress:
        line = progress.add_task(name, total=total, state="")
        yield lambda: progress.advance(line)


@contextmanager
def live_words(after_s: float = 2.0) -> Iterator[Callable[[str], None]]:
    """One line that says what is done, once the block takes longer than `after_s` seconds; it is told by a call."""
    console = Console(stderr=True)
    status = console.status("")
    timer = Timer(after_s, status.start)
    timer.daemon = True
    if console.is_terminal:
        timer.start()
    try:
        yield lambda words: status.update(f"{escape(words)} ...")
    finally:
        timer.cancel()
        status.stop()


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
