"""What a wait waits for: a line a stage with its seconds, on the screen of a command and in the log of a flow run.

Lines are records of the loggers below `wattcast`, at level INFO. Where they go is for others to say: a command shows
them on standard error, and Prefect keeps them with the run of a flow. A level above INFO keeps all of it silent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from time import perf_counter

from rich.console import Console
from rich.markup import escape

from wattcast.model.telling import tellable

log = logging.getLogger(__name__)

screen = Console(stderr=True)
"""Standard error: lines that are printed to it stand above whatever is live."""
NOT_ON_SCREEN = {"not_on_screen": True}
"""The `extra` of a record that a command shows in its own way, as a bar or in the table of its result."""
_LONG_S = 2.0  # from which on a wait is announced


def is_quiet() -> bool:
    """Nothing but warnings is wanted."""
    return logging.getLogger("wattcast").level > logging.INFO


def is_live() -> bool:
    """Lines can change while they stand there."""
    return screen.is_terminal and not is_quiet()


class ScreenHandler(logging.Handler):
    """Shows what we say in full lines, however narrow the terminal, and warnings as such."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, unless it is shown in another way."""
        if NOT_ON_SCREEN.keys() <= vars(record).keys():
            return
        warns = record.levelno >= logging.WARNING
        word = f"[bold yellow]{record.levelname.lower()}:[/] " if warns else ""
        style = None if warns else "dim"
        screen.print(f"{word}{escape(tellable(record.getMessage()))}", style=style, highlight=False, soft_wrap=True)


def show_on_screen(level: int = logging.INFO) -> None:
    """Show what we say from this `level` on."""
    ours = logging.getLogger("wattcast")
    ours.setLevel(level)
    ours.addHandler(ScreenHandler())


@contextmanager
def stage(name: str, *, spins: bool = True) -> Iterator[None]:
    """For the block that does what `name` says: one line with its seconds when it is done, none when it fails.

    On a terminal a line spins meanwhile, unless the block shows its own (`spins`); elsewhere a long wait is announced.
    """
    began = perf_counter()
    with _spinning(name) if spins and is_live() else _announced(name):
        yield
    log.info("%s: %.1f s", name, perf_counter() - began)


@contextmanager
def _spinning(name: str) -> Iterator[None]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # takes its time

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        progress.add_task(name, total=None)
        yield


@contextmanager
def _announced(name: str) -> Iterator[None]:
    extra = NOT_ON_SCREEN if is_live() else None
    announce = Timer(_LONG_S, log.info, ["%s ...", name], {"extra": extra})
    announce.daemon = True
    announce.start()
    try:
        yield
    finally:
        announce.cancel()
