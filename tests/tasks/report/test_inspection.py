"""The page of an inspection is read with an HTML parser and its figures are decoded."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html_page import HTMLPage

from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.inspection.draft import draft
from wattcast.tasks.inspection.inspect import Inspected, inspect
from wattcast.tasks.report.inspection import inspection_page
from wattcast.tasks.report.inspection_figures import BINS, completeness_panel, envelope

LOAD = np.random.default_rng(0).gamma(4, 80, 24 * 40).round(2)


def inspected(folder: Path, frame: pd.DataFrame, **said: object) -> Inspected:
    path = folder / "meter.csv"
    frame.to_csv(path, index=False)
    return inspect(path, None, ReadingsConfig.model_validate(said))


def page(found: Inspected) -> HTMLPage:
    return HTMLPage(inspection_page(found, draft(found.found)))


def figures(html: HTMLPage) -> dict[str, dict]:
    drawn = json.loads(html.all("script", id="data")[0])
    return dict(zip([text for text in html.all("h3") if text], drawn.values(), strict=True))


def numbers(values: object) -> list[float]:
    """A trace's numbers, also where plotly writes them as base64."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return list(values)  # type: ignore[call-overload]


@pytest.fixture
def hourly() -> pd.DataFrame:
    times = pd.date_range("2021-03-01", periods=len(LOAD), freq="h").strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame({"time": times, "load": LOAD, "T_out": LOAD[::-1]})


def test_questions_stand_first_and_the_draft_last(hourly: pd.DataFrame, tmp_path: Path) -> None:
    found = inspected(tmp_path, hourly)
    html = page(found)
    sections = [attributes["id"] for tag, attributes in html.elements if tag == "section" and "id" in attributes]
    assert [name for name in sections if not name.startswith("target")] == [
        *("questions", "columns", "findings", "time", "values", "facts")
    ]
    assert "readings.unit" in html.words.partition("Columns")[0]
    assert html.all("pre") == [draft(found.found)]
    assert found.found.headline in html.words


def test_a_file_without_questions_says_that_a_model_can_be_trained(hourly: pd.DataFrame, tmp_path: Path) -> None:
    html = page(inspected(tmp_path, hourly, unit="Wh", targets="load"))
    assert not html.all("section", id="questions")
    assert "a model can be trained on it." in html.words


def test_each_answer_stands_there_with_its_evidence(hourly: pd.DataFrame, tmp_path: Path) -> None:
    found = inspected(tmp_path, hourly).found
    words = page(inspected(tmp_path, hourly)).words
    for answer in found.answers:
        assert answer.option in words
        assert " ".join(answer.why.split()) in words


def test_columns_are_shown_as_written_and_never_as_markup(hourly: pd.DataFrame, tmp_path: Path) -> None:
    name = "load [kWh/h] <b>x</b> <script>alert(1)</script> {{ 7 }}"
    html = page(inspected(tmp_path, hourly.rename(columns={"load": name})))
    assert name in html.words
    assert not [tag for tag, _ in html.elements if tag == "b"]
    drawn = json.dumps(figures(html))
    assert "<b>" not in drawn
    assert "<script>" not in drawn


def test_the_figures_are_those_of_the_series(hourly: pd.DataFrame, tmp_path: Path) -> None:
    found = inspected(tmp_path, hourly, unit="Wh", targets="load")
    drawn = figures(page(found))
    wanted = ["Completeness by day", "From end to end", "The day", "The week"]
    assert list(drawn) == [*wanted, "How much a reading says of later ones", "Values"]
    (habits,) = found.found.habits
    assert numbers(drawn["From end to end"]["data"][0]["y"]) == pytest.approx(LOAD, rel=1e-6)
    assert numbers(drawn["The day"]["data"][0]["y"]) == pytest.approx(habits.by_hour)
    assert numbers(drawn["The week"]["data"][0]["y"]) == pytest.approx(habits.by_weekday)
    correlation = drawn["How much a reading says of later ones"]["data"][0]
    by_hour = dict(zip(numbers(correlation["x"]), numbers(correlation["y"]), strict=True))
    assert by_hour[24.0] == pytest.approx(habits.correlation["a day"], abs=1e-3)
    assert sum(numbers(drawn["Values"]["data"][0]["y"])) == pytest.approx(100, abs=0.1)


def test_the_envelope_keeps_every_extreme() -> None:
    values = np.random.default_rng(0).normal(size=100_000)
    values[[12_345, 67_890]] = 99.0, -99.0
    values[50_000:51_000] = np.nan
    times = pd.date_range("2021-01-01", periods=len(values), freq="min")
    drawn = envelope(values, times)
    assert len(drawn) == BINS
    assert (drawn["high"].max(), drawn["low"].min()) == (99.0, -99.0)
    assert (drawn["low"].dropna() <= drawn["mean"].dropna()).all()
    assert 0 < drawn["mean"].isna().sum() <= 16  # where nothing was read, nothing is drawn
    spans = np.searchsorted(times, drawn.index[[0, 700, 701]])
    assert drawn["high"].iloc[700] == np.nanmax(values[spans[1] : spans[2]])
    assert len(envelope(values[:100], times[:100])) == 100


def test_days_are_whole_where_the_first_and_the_last_are_cut_off() -> None:
    times = pd.date_range("2021-03-01 06:00", "2021-03-05 11:00", freq="h")
    values = np.ones(len(times))
    values[24:30] = np.nan
    panel = completeness_panel(values, times, 3600)
    assert list(panel.figure.data[0].z[0]) == [100.0, 75.0, 100.0, 100.0, 100.0]
    assert "4 of 5 days are whole; 2 March 2021 has 75 %." in panel.note


def test_a_band_is_drawn_span_by_span_and_never_across_a_gap(tmp_path: Path) -> None:
    rows = 4 * BINS
    times = pd.date_range("2021-03-01", periods=rows, freq="h")
    values = np.resize(LOAD, rows)
    kept = np.ones(rows, bool)
    kept[2000:2400] = False
    frame = pd.DataFrame({"time": times.strftime("%Y-%m-%d %H:%M"), "kWh": values})[kept]
    drawn = figures(page(inspected(tmp_path, frame)))["From end to end"]["data"]
    band, mean = ({key: np.array(numbers(each[key])) for key in ("x", "y")} for each in drawn)
    assert (drawn[0]["type"], drawn[0]["width"]) == ("bar", pytest.approx(4 * 3_600_000, rel=1e-3))
    assert np.isnan(band["y"]).sum() in range(99, 101)
    np.testing.assert_array_equal(np.isnan(band["y"]), np.isnan(mean["y"]))
    base = np.array(numbers(drawn[0]["base"]), np.float64)
    assert np.nanmax(base + band["y"]) == pytest.approx(values[kept].max(), rel=1e-6)


def test_a_long_series_is_drawn_small(tmp_path: Path) -> None:
    rows = 60_000
    times = pd.date_range("2021-01-01", periods=rows, freq="min").strftime("%Y-%m-%d %H:%M")
    found = inspected(tmp_path, pd.DataFrame({"time": times, "kWh": np.resize(LOAD, rows)}))
    html = inspection_page(found, "")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert len(data[1]) < 150_000


def test_a_file_without_time_stamps_has_a_page_too(tmp_path: Path) -> None:
    html = page(inspected(tmp_path, pd.DataFrame({"kWh": LOAD, "note": ["a", "b"] * (len(LOAD) // 2)})))
    assert "which column holds the time stamps?" in html.words
    assert not html.all("figure")
