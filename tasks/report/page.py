"""What the pages of a training and of a sweep have in common: one HTML file that carries plotly.js and loads nothing.

Their templates extend `page.html` and escape every value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from wattcast.tasks.report.figure import Panel

BANNER = "TRAINED ON SIMULATED READINGS, NOT ON A REAL HOUSE"


@dataclass(frozen=True)
class Subject:
    """What the page is about. `facts` become a table: run id, data, split, seed and so on."""

    title: str
    facts: dict[str, str]
    simulated: bool
    warnings: tuple[str, ...] = ()  # what to doubt before any figure is read


@dataclass(frozen=True)
class Table:
    """Texts in rows, the first of each row its heading; `marked` is the row that stands out."""

    head: list[str]
    rows: list[list[str]]
    marked: int | None = None


def render(
    template: str, subject: Subject, groups: Mapping[str, Sequence[Panel]], *, config_toml: str, **values: Any
) -> str:
    """The page of `template`, which gets each group of panels as `groups[name]`, by the names of their figures."""
    numbers = count(1)
    named = {name: {f"figure-{next(numbers)}": panel for panel in panels} for name, panels in groups.items()}
    figures = {name: json.loads(panel.figure.to_json()) for group in named.values() for name, panel in group.items()}
    page = _templates().get_template(template)
    return page.render(
        subject=subject,
        banner=BANNER if subject.simulated else "",
        groups=named,
        figures=json.dumps(figures).replace("<", "\\u003c"),  # no value can end the script element
        plotly=get_plotlyjs(),
        config_toml=config_toml,
        **values,
    )


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("wattcast.tasks.report", "")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
