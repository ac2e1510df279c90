"""What Prefect's page keeps of a gate's decision: verdict, checks and drift."""

from __future__ import annotations

from wattcast.flows.note import listed, more, note
from wattcast.tasks.markdown import plain
from wattcast.tasks.monitoring.drift import Drift
from wattcast.tasks.numbers import readable
from wattcast.tasks.registry.gate import Check, Decision
from wattcast.tasks.tracking.run import Run

_MOST_COLUMNS = 10


def gate_note(title: str, decision: Decision, drift: Drift, run: Run, *, page: str) -> str:
    """The note under `title`; `page` is the name of the report among the artifacts of `run`."""
    return note(
        title,
        plain(decision.reason),
        listed(f"{_outcome(check)}: {_found(check)}" for check in decision.checks),
        "## Drift",
        plain(drift.sentence),
        *_drifted(drift),
        "## More",
        more(run, page),
    )


def _outcome(check: Check) -> str:
    return f"{check.name} passed" if check.passed else f"**{check.name} failed**"


def _found(check: Check) -> str:
    """In words, and its figures but those of single lead times, which are many."""
    over_all = {name: value for name, value in check.numbers.items() if "_at_" not in name}
    numbers = {name.replace("_", " "): readable(value, nothing="-") for name, value in over_all.items()}
    figures = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return plain(f"{check.message} ({figures})" if figures else check.message)


def _drifted(drift: Drift) -> list[str]:
    """The columns that have, those that the model reads first, and how many are left out."""
    moved = drift.drifted
    columns = [
        f"**{plain(one.column)}**{', read by the model' if one.read else ''}: {one.level}, PSI {one.psi:.2f}; "
        f"{plain(one.cause)}"
        for one in moved[:_MOST_COLUMNS]
    ]
    beyond = len(moved) - _MOST_COLUMNS
    return [listed([*columns, *([f"and {beyond} more columns"] if beyond > 0 else [])])]
