"""What all pages have in common: one HTML file that carries plotly.js and loads nothing.

MLflow shows a page out of a blob, in a frame that may run scripts and nothing else: a script beside it would not be
found there. So each page carries its own, compressed, which the browser unpacks: 2 MB instead of 5.

Templates extend `page.html` and escape every value.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from wattcast.tasks.report.figure import Panel, hover_templates

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
    all_panels = {name: panel for group in named.values() for name, panel in group.items()}
    figures = {name: hover_templates(json.loads(panel.figure.to_json())) for name, panel in all_panels.items()}
    page = _templates().get_template(template)
    return page.render(
        subject=subject,
        banner=BANNER if subject.simulated else "",
        groups=named,
        figures=json.dumps(figures).replace("<", "\\u003c"),  # no value can end the script element
        plotly=_packed(get_plotlyjs()),
        config_toml=config_toml,
        **values,
    )


@cache
def _packed(script: str) -> str:
    """`script`, to be unpacked by a browser: gzip in base64."""
    return base64.b64encode(gzip.compress(script.encode(), compresslevel=6, mtime=0)).decode()


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("wattcast.tasks.report", "")
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    templates.filters["sections"] = _sections
    return templates


def _sections(content: str) -> list[tuple[str, Markup]]:
    """The id and the heading of each section of a page's content, for its table of contents."""
    found = re.findall(r'<section[^>]* id="([^"]+)"[^>]*>\s*<h2>(.*?)</h2>', content, re.DOTALL)
    return [(name, Markup(heading)) for name, heading in found]  # noqa: S704 - it is a heading of the page already
