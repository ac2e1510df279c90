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

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

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


def say(console: Console, *parts: str | tuple[str, str]) -> None:
    """Print a sentence as it stands, whatever looks like markup in it; a part may come with its style.

    On a terminal its lines end between words, so that none is broken in two; elsewhere they end nowhere.
    """
    text = Text.assemble(*parts)
    if console.is_terminal:
        text.plain = "\n".join(_between_words(line, console.width) for line in text.plain.split("\n"))
    console.print(text, soft_wrap=True)


def _between_words(line: str, width: int) -> str:
    """`line` with some of its spaces as line ends; a word that is wider stays whole, as a path is to be copied."""
    first, *words = line.split(" ")
    wrapped, used = first, cell_len(first)
    for word in words:
        size = cell_len(word)
        fits = used + 1 + size <= width
        wrapped += f" {word}" if fits else f"\n{word}"
        used = used + 1 + size if fits else size
    return wrapped


class ScreenHandler(logging.Handler):
    """Shows what we say, and warnings as such."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, unless it is shown in another way."""
        if NOT_ON_SCREEN.keys() <= vars(record).keys():
            return
        words = tellable(record.getMessage())
        if record.levelno >= logging.WARNING:
            say(screen, (f"{record.levelname.lower()}:", "bold yellow"), f" {words}")
        else:
            say(screen, (words, "dim"))


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
