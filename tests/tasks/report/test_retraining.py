"""The page of a retraining, with names that would do harm if a page took them for more than names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from html_page import HTMLPage

from wattcast.model.windows import WindowConfig
from wattcast.tasks.fan import Fan
from wattcast.tasks.monitoring.drift import Drift, measure_drift
from wattcast.tasks.registry.gate import Check, Comparison, Decision, Further
from wattcast.tasks.registry.looks import looks
from wattcast.tasks.report.page import Subject
from wattcast.tasks.report.retraining import retrain_report

HOSTILE = "</script><script>alert(1)</script><a href='http://x.test/'>&amp;{{ 7 }}<img src=x onerror=alert(2)>"
DAY = 144


def comparison(name: str) -> Comparison:
    times = pd.date_range("2016-01-11", periods=2 * DAY, freq="10min")
    actual = np.random.default_rng(0).normal(100, 10, (2 * DAY, 1))
    checks = (Check(name, True, name), Check("champion", False, f"the champion: {name}", {"difference": 1.0}))
    forecasts = dict.fromkeys(("challenger", "champion", "ridge", "persistence"), Fan.bare(actual + 1))
    return Comparison(Decision(checks), times, actual, forecasts, "Wh")


def drift(name: str) -> Drift:
    draws = np.random.default_rng(1).normal(size=(20 * DAY, 2)) + np.linspace(0, 5, 20 * DAY)[:, None]
    frame = pd.DataFrame(
        draws, columns=[name, "other"], index=pd.date_range("2016-01-11", periods=20 * DAY, freq="10min")
    )
    return measure_drift(frame, range(14 * DAY), range(14 * DAY, 20 * DAY), read=[name], target=name)


def tags(page: HTMLPage) -> list[str]:
    """But for the places where a long name may be broken."""
    return [tag for tag, _ in page.elements if tag != "wbr"]


def test_names_of_columns_checks_and_models_are_names_and_nothing_else() -> None:
    subject = Subject(HOSTILE, {HOSTILE: HOSTILE}, simulated=True)
    html = retrain_report(subject, comparison(HOSTILE), drift(HOSTILE), HOSTILE)
    page = HTMLPage(html)
    harmless = HTMLPage(retrain_report(Subject("a", {"b": "c"}, simulated=True), comparison("d"), drift("e"), "f"))
    assert tags(page) == tags(harmless)
    own = {"#gate", "#drift", "#facts", "#configuration"}  # the table of contents
    assert {given["href"] for _, given in page.elements if "href" in given} == own
    assert not [given for _, given in page.elements if {"src", "onerror"} & given.keys()]
    assert page.all("h1") == [f"{HOSTILE}: report"]
    assert page.all("pre") == [HOSTILE]
    assert "<" not in page.all("script", id="data")[0]
    assert any(HOSTILE in text for text in page.all("td") + page.all("th"))


def test_intervals_of_each_target_have_rows_of_their_own() -> None:
    given = comparison("d")
    bounds = given.actual[..., None] + np.array([-1.0, 0.0, 1.0])
    fans = {"challenger": Fan(given.actual, bounds, (0.05, 0.5, 0.95))}
    alone = replace(given, forecasts=fans, looks=looks((0.9,), WindowConfig(), DAY), target="house")
    both = replace(alone, further=(Further("heat", given.actual + 2, fans),))
    shown = {given: HTMLPage(page_of(each)) for given, each in (("one", alone), ("two", both))}
    targets = {given: [text for text in page.all("th") if text in {"house", "heat"}] for given, page in shown.items()}
    assert targets == {"one": [], "two": ["house", "heat"]}
    shares = [text for text in shown["two"].all("td") if text in {"100.0 %", "0.0 %"}]
    assert shares == ["100.0 %", "0.0 %"]


def page_of(given: Comparison) -> str:
    return retrain_report(Subject("a", {"b": "c"}, simulated=True), given, drift("e"), "f")
