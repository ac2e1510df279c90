"""What a command gives when it is done: one JSON object for programs, or tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rich.console import Console

Result = TypeVar("Result")


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
