"""What Prefect's page keeps of a run: Markdown with what came out, the figures behind it and where to read on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wattcast.tasks.tracking.run import Run


def note(title: str, *parts: str) -> str:
    """The parts under `title`, apart from each other; empty ones are left out."""
    return "\n\n".join(filter(None, [f"# {title}", *parts])) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts under their headings."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line(cell).replace('|', chr(92) + '|') for cell in each)} |" for each in lines)


def table_of(rows: Sequence[Mapping[str, str]]) -> str:
    """A table of rows that have the same headings; nothing of none."""
    return table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else ""


def listed(texts: Iterable[str]) -> str:
    """A list of texts, for what is too long for a table: Prefect's page cuts off what a cell does not hold."""
    return "\n".join(f"- {line(text)}" for text in texts)


def line(text: str) -> str:
    """`text` in one line."""
    return text.replace("\n", " ")


def more(run: Run, page: str) -> str:
    """Where to read on: the run, and the report that is called `page` among its artifacts."""
    where, file = run.page, f"`{run.address(page)}`"
    if not where:
        return f"Run `{run.run_id}`\n\nReport {file}"
    return f"[Run {run.run_id}]({where})\n\n[Report]({where}/artifacts/{page}), {file}"
