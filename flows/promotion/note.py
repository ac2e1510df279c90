"""What Prefect's page keeps of a gate's decision, as Markdown: verdict, checks, drift and where to read on."""

from __future__ import annotations

from collections.abc import Iterable

from wattcast.tasks.monitoring.drift import Drift
from wattcast.tasks.numbers import readable
from wattcast.tasks.registry.gate import Check, Decision
from wattcast.tasks.tracking.run import Run

_MOST_COLUMNS = 10


def gate_note(title: str, decision: Decision, drift: Drift, run: Run, *, page: str) -> str:
    """The note under `title`; `page` is the name of the report among the artifacts of `run`."""
    where, file = run.page, run.address(page)
    checks = [(check.name, "passed" if check.passed else "**failed**", _found(check)) for check in decision.checks]
    parts = [
        f"# {title}",
        _line(decision.reason),
        _table(("check", "outcome", "found"), checks),
        "## Drift",
        _line(drift.sentence),
        *_drifted(drift),
        "## More",
        f"[Run {run.run_id}]({where})" if where else f"Run `{run.run_id}`",
        f"[Report]({where}/artifacts/{page}), `{file}`" if where else f"Report `{file}`",
    ]
    return "\n\n".join(parts) + "\n"


def _found(check: Check) -> str:
    """In words, and its figures but those of single lead times, which are many."""
    over_all = {name: value for name, value in check.numbers.items() if "_at_" not in name}
    numbers = {name.replace("_", " "): readable(value, nothing="-") for name, value in over_all.items()}
    figures = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return f"{check.message} ({figures})" if figures else check.message


def _drifted(drift: Drift) -> list[str]:
    """A table of the columns that have, those that the model reads first, and how many it leaves out."""
    moved = drift.drifted
    if not moved:
        return []
    head = ("column", "read by the model", "drift", "PSI", "likely cause")
    rows = [
        (one.column, "yes" if one.read else "no", one.level, f"{one.psi:.2f}", one.cause)
        for one in moved[:_MOST_COLUMNS]
    ]
    more = len(moved) - _MOST_COLUMNS
    return [_table(head, rows), *([f"and {more} more columns"] if more > 0 else [])]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_line(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _line(text: str) -> str:
    return text.replace("\n", " ")
