"""A table of results, for a terminal or for a README."""

from __future__ import annotations

from dataclasses import dataclass

import rich.box
import rich.console
import rich.table
from rich.text import Text

Row = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Rows that belong together, under a heading where one is given."""

    rows: tuple[Row, ...]
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """Groups of rows. The first `text` columns hold words, the others numbers."""

    title: str
    columns: Row
    groups: tuple[Group, ...]
    text: int = 1
    notes: tuple[str, ...] = ()

    def rendered(self) -> rich.console.Group:
        """For a terminal."""
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        for number, name in enumerate(self.columns):
            widest = max(len(row[number]) for group in self.groups for row in group.rows)
            table.add_column(name, justify="left" if number < self.text else "right", min_width=widest)
        for group in self.groups:
            if group.heading:
                table.add_row(group.heading, style="bold")
            for row in group.rows:
                table.add_row(*row)
            table.add_section()
        return rich.console.Group(Text(self.title, style="bold"), table, *map(Text, self.notes), "")

    def markdown(self) -> str:
        """For a README."""
        lines = [self.columns, ["---" if number < self.text else "---:" for number in range(len(self.columns))]]
        for group in self.groups:
            if group.heading:
                lines.append([f"**{group.heading}**", *[""] * (len(self.columns) - 1)])
            lines += group.rows
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([f"**{self.title}**", table, *self.notes]) + "\n"
