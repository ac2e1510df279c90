"""What a command gives when it is done: one JSON object for programs, or tables for people."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

Result = TypeVar("Result")

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2


def stand_by() -> None:
    """Have standard streams that take whatever a command says.

    In the place of one that is closed a database would be opened, and what libraries print written into it. A sign that
    a terminal cannot show, or half a surrogate pair in the name of a file, stands as Python writes it.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(nowhere)
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - until we end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not those of a test
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def for_the_result() -> Iterator[None]:
    """Keep standard output for the result: what code of others prints in the block goes to standard error.

    That holds for processes that the block starts, too.
    """
    sys.stdout.flush()
    kept = os.dup(_STANDARD_OUTPUT)
    os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, _STANDARD_OUTPUT)
        os.close(kept)


def give(
    result: Result,
    *,
    record: Callable[[Result], Mapping[str, Any]],
    show: Callable[[Result], None],
    as_json: bool,
) -> None:
    """Print the `record` of a result where JSON was asked for, and `show` it otherwise."""
    if as_json:
        print(json.dumps(record(result)))  # noqa: T201 - the output that was asked for
    else:
        show(result)


def finite(value: float) -> float | None:
    """A number as JSON can hold it."""
    return value if math.isfinite(value) else None


def show_banner(console: Console, data_source: str) -> None:
    """What was learnt from simulated readings says so, in capitals."""
    from wattcast.tasks.report.page import BANNER

    if data_source == "simulated":
        console.print(f"[bold red]{BANNER}[/]")
