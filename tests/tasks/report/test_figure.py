from __future__ import annotations

from wattcast.tasks.report.figure import hover_templates


def test_units_stand_behind_values_where_a_pointer_rests() -> None:
    """By axis: the rate of a second axis has no unit, and what says its own words keeps them."""
    layout = {
        "hovermode": "x unified",
        "yaxis": {"title": {"text": "RMSE, Wh"}, "hoverformat": ".4~r"},
        "yaxis2": {"title": {"text": "learning rate"}},
    }
    traces = [{"type": "scatter"}, {"type": "bar", "yaxis": "y2"}, {"type": "scatter", "hoverinfo": "text"}]
    traces += [{"type": "contour"}, {"type": "bar", "orientation": "h"}]
    told = [trace.get("hovertemplate") for trace in hover_templates({"data": traces, "layout": layout})["data"]]
    assert told == ["%{y:.4~r} Wh", "%{y}", None, None, None]


def test_both_axes_are_told_of_a_single_point() -> None:
    layout = {"xaxis": {"title": {"text": "forecast, kWh"}}, "yaxis": {"title": {"text": "measured − forecast, kWh"}}}
    (dots,) = hover_templates({"data": [{"type": "scatter"}], "layout": layout})["data"]
    assert dots["hovertemplate"] == "forecast %{x} kWh<br>measured − forecast %{y} kWh"
