"""What Prefect's page keeps of a gate's decision: verdict, checks and drift."""

from __future__ import annotations

from wattcast.flows.note import line, more, note, table
from wattcast.tasks.monitoring.drift import Drift
from wattcast.tasks.numbers import readable
from wattcast.tasks.registry.gate import Check, Decision
from wattcast.tasks.tracking.run import Run

_MOST_COLUMNS = 10


def gate_note(title: str, decision: Decision, drift: Drift, run: Run, *, page: str) -> str:
    """The note under `title`; `page` is the name of the report among the artifacts of `run`."""
    checks = [(check.name, "passed" if check.passed else "**failed**", _found(check)) for check in decision.checks]
    return note(
        title,
        line(decision.reason),
        table(("check", "outcome", "found"), checks),
        "## Drift",
        line(drift.sentence),
        *_drifted(drift),
        "## More",
        more(run, page),
    )


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
    beyond = len(moved) - _MOST_COLUMNS
    return [table(head, rows), *([f"and {beyond} more columns"] if beyond > 0 else [])]
