"""Live lines on the terminal for what takes its time; where there is no terminal, a plain line now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread, Timer
from time import monotonic
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from wattcast.model.fit import Epoch
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.stages import NOT_ON_SCREEN, is_live, screen

if TYPE_CHECKING:
    from wattcast.tasks.tuning.study import SharedStudy

log = logging.getLogger(__name__)

_PHASES = {"select": "training", "refit": "refitting"}
_REFRESH_S = 1.0
_PLAIN_S = 10.0  # from one plain line to the next


@contextmanager
def live_epochs(epochs: int, members: int = 1, *, unit: str | None) -> Iterator[Callable[[Epoch], None]]:
    """A listener that shows epoch, loss, validation RMSE in `unit`, learning rate and the time that is left."""
    with _progress() as progress:
        lines, plain = _Lines(progress, epochs, members, unit), _Plain()

        def show(epoch: Epoch) -> None:
            lines.show(epoch)
            plain.say(lambda: f"{lines.name(epoch.member, epoch.phase)}, epoch {epoch.number}: {describe(epoch, unit)}")

        yield show


class _Plain:
    """Lines for the log, a few seconds apart; the first one is said at once."""

    def __init__(self) -> None:
        self.next = 0.0

    def say(self, words: Callable[[], str]) -> None:
        if monotonic() >= self.next:
            self.next = monotonic() + _PLAIN_S
            log.info("%s", words(), extra=NOT_ON_SCREEN if is_live() else None)


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
            self.lines[member, phase] = self.progress.add_task(self.name(member, phase), total=total, state=state)
        return self.lines[member, phase]

    def name(self, member: int, phase: str) -> str:
        return _PHASES[phase] + (f" {member} of {self.members}" if self.members > 1 else "")

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
        stopped, plain = Event(), _Plain()

        def watch() -> None:
            while not stopped.wait(_REFRESH_S if is_live() else _PLAIN_S):
                with suppress(Exception):  # whoever works on the study tells what is wrong with its storage
                    done, state = study.counts().done, study.describe()
                    progress.update(line, completed=done, state=state)
                    plain.say(partial("trials: {} of {}, {}".format, done, study.plan.total, state))

        Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            stopped.set()


@contextmanager
def live_steps(name: str, total: int) -> Iterator[Callable[[], None]]:
    """One line for `total` steps; what it yields is called after each."""
    with _progress() as progress:
        line, plain = progress.add_task(name, total=total, state=""), _Plain()

        def advance() -> None:
            progress.advance(line)
            plain.say(lambda: f"{name}: {progress.tasks[line].completed:.0f} of {total}")

        yield advance


@contextmanager
def live_words(after_s: float = 2.0) -> Iterator[Callable[[str], None]]:
    """One line that says what is done, once the block takes longer than `after_s` seconds; it is told by a call.

    Where there is no terminal, a line for each thing that is done from then on.
    """
    status, live, late, doing = screen.status(""), is_live(), Event(), [""]

    def begin() -> None:
        late.set()
        if live:
            status.start()
        elif doing[0]:
            log.info("%s ...", doing[0])

    def say(words: str) -> None:
        doing[0] = words
        status.update(f"{escape(words)} ...")
        if late.is_set() and not live:
            log.info("%s ...", words)

    timer = Timer(after_s, begin)
    timer.daemon = True
    timer.start()
    try:
        yield say
    finally:
        timer.cancel()
        status.stop()


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=screen, disable=not is_live())
