"""What the figures of all pages share: a panel, its colours and labels, and how numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from wattcast.model.arrays import Floats
from wattcast.model.gru import NAME as GRU
from wattcast.tasks.numbers import readable

LABELS = {
    "actual": "measured",
    GRU: "GRU",
    "lightgbm": "LightGBM",
    "ridge": "ridge on lags",
    "persistence": "persistence",
    "daily_naive": "daily naive",
    "weekly_naive": "weekly naive",
    "mean": "training mean",
}


COLOURS = {"actual": "#7b8794", GRU: "#d55e00", "ridge": "#2b8bcb", "persistence": "#009e73"}  # after Okabe and Ito


@dataclass(frozen=True)
class Panel:
    title: str
    note: str
    figure: go.Figure
    wide: bool = False


def decimals(value: float, digits: int) -> str:
    """So many decimals, or a dash for what is no number."""
    return f"{value:z,.{digits}f}" if math.isfinite(value) else "–"


def number(value: float) -> str:
    """Three to four digits."""
    return f"{value:z,.0f}" if 999.5 <= abs(value) < 1e6 else readable(value)


def fine(value: float) -> str:
    """Two decimals: differences between trials are small."""
    return f"{value:z,.2f}" if 1000 <= abs(value) < 1e6 else readable(value, 2)


def labelled(name: str, unit: str | None) -> str:
    """`RMSE, kWh` for a heading or an axis; the name alone where the unit is not known."""
    return f"{name}, {unit}" if unit else name


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent, or a dash for what is no number; of a share that says nothing but that it is large, that."""
    if math.isfinite(share) and abs(share) > _LARGEST_SHARE:
        return f"{'more' if share > 0 else 'less'} than {math.copysign(100 * _LARGEST_SHARE, share):,.0f} %"
    return f"{decimals(100 * share, digits)} %" if math.isfinite(share) else "–"


_LARGEST_SHARE = 10.0
_UNSEEN = 1e-4  # of the height of a figure


TUNED, TRIAL, GREY = COLOURS[GRU], COLOURS["ridge"], COLOURS["actual"]


UNTUNED = "#b35c8e"
"""After the reddish purple of Okabe and Ito, which no baseline has."""


SCALE = [[0.0, TUNED], [0.5, "#cbb59a"], [1.0, TRIAL]]
"""From low values, which are good, to high ones."""


def canvas(*, x: dict[str, Any], y: dict[str, Any], height: int = 360, **layout: Any) -> go.Figure:
    """An empty figure, to be dressed in the page's colours."""
    return go.Figure(
        layout={"template": "none", "height": height, "hovermode": "closest", "xaxis": x, "yaxis": y, **layout}
    )


def short(values: pd.Series | Floats) -> npt.NDArray[np.floating[Any]]:
    """`values` in half the bytes, where nobody would see it: not those of a large load that hardly varies."""
    exact = np.asarray(values, np.float64)
    half, known = exact.astype(np.float32), exact[np.isfinite(exact)]
    blur = np.abs(known.astype(np.float32) - known).max(initial=0.0)
    return half if not len(known) or blur <= _UNSEEN * np.ptp(known) else exact


def hover_templates(figure: dict[str, Any]) -> dict[str, Any]:
    """`figure`, as plotly reads it, whose curves and bars say units where a pointer rests, as the titles of axes do.

    A title is `RMSE, Wh`: a name, a comma, and the unit that stands behind values. What says its own words keeps them.
    """
    layout = figure["layout"]
    for trace in figure["data"]:
        own = {"hovertemplate", "hoverinfo", "hovertext"} & trace.keys()
        if trace.get("type") not in {"scatter", "bar"} or own or trace.get("orientation") == "h":
            continue
        told = {letter: _told(layout, letter, trace.get(f"{letter}axis", letter)) for letter in ("x", "y")}
        if str(layout.get("hovermode", "")).endswith("unified"):
            trace["hovertemplate"] = told["y"][1]
        else:
            trace["hovertemplate"] = "<br>".join(f"{name} {value}".lstrip() for name, value in told.values())
    return figure


def _told(layout: dict[str, Any], letter: str, axis: str) -> tuple[str, str]:
    """The name of what an axis (`y2`) shows, and the template of a value with its unit."""
    options = layout.get(f"{letter}axis{axis[1:]}", {})
    title = options.get("title", {})
    text = title.get("text", "") if isinstance(title, dict) else str(title)
    name, _, unit = text.rpartition(", ")
    form = options.get("hoverformat")
    value = f"%{{{letter}:{form}}}" if form else f"%{{{letter}}}"
    return (name, f"{value} {unit}") if name else (text, value)


def plain(text: str) -> str:
    """`text` for a figure: plotly reads some tags in what it writes."""
    return escape(text, quote=False)
