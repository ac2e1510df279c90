"""What Prefect's page keeps of a run: Markdown with what came out, the figures behind it and where to read on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wattcast.tasks.markdown import plain
from wattcast.tasks.tracking.run import Run


def note(title: str, *parts: str) -> str:
    """The parts, which are Markdown, under `title`, apart from each other; empty ones are left out."""
    return "\n\n".join(filter(None, [f"# {plain(title)}", *parts])) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts under their headings."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(plain, each))} |" for each in lines)


def table_of(rows: Sequence[Mapping[str, str]]) -> str:
    """A table of rows that have the same headings; nothing of none."""
    return table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else ""


def listed(texts: Iterable[str]) -> str:
    """A list of lines of Markdown, for what is too long for a table: the page cuts off what a cell does not hold."""
    return "\n".join(f"- {text}" for text in texts)


def artifact_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows by headings for a table of its own, whose texts Prefect's page reads as Markdown, too."""
    return [{name: plain(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]


def more(run: Run, page: str) -> str:
    """Where to read on: the run, and the report that is called `page` among its artifacts."""
    if where := run.page():
        return f"[Run {run.run_id}]({where})\n\n[Report]({run.page(page)})"
    return f"Run `{run.run_id}`\n\nReport `{run.address(page)}`"
