"""Drift: by hand where the answer is known, by simulation where it is a chance, on the real data where it is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import ks_2samp

from wattcast.tasks.data.download import download
from wattcast.tasks.monitoring.drift import ColumnDrift, Drift, drift_task, measure_drift
from wattcast.tasks.monitoring.drift_statistics import effective_size, kolmogorov_smirnov, psi
from wattcast.tasks.report.drift import drift_panels, drift_table

DAY = 144
OLD, NEW = 40 * DAY, 14 * DAY
SPANS = (range(OLD), range(OLD, OLD + NEW))


def slow(rows: int, *, seed: int = 0, rho: float = 0.9) -> np.ndarray:
    """A first-order process of mean 0 and standard deviation 1."""
    draws = np.random.default_rng(seed).normal(0, math.sqrt(1 - rho**2), rows + 1000)
    return lfilter([1], [1, -rho], draws)[1000:]


def frame_of(**columns: np.ndarray) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range("2016-01-11 17:00", periods=rows, freq="10min"), dtype=float)


def measured(values: np.ndarray, *, read: bool = True) -> ColumnDrift:
    """The drift of one column beside a target that does not matter."""
    drift = measure_drift(
        frame_of(y=slow(OLD + NEW, seed=9), x=values), *SPANS, read=["y", "x"] if read else ["y"], target="y"
    )
    return next(column for column in drift.columns if column.column == "x")


def days(peak: int, count: int) -> np.ndarray:
    """Readings with one peak a day, in the slot `peak`, and some noise."""
    slots = np.arange(count * DAY) % DAY
    distance = np.abs((slots - peak + DAY // 2) % DAY - DAY // 2)
    return 50 + 100 * np.exp(-((distance / 9) ** 2)) + np.random.default_rng(peak).normal(0, 10, count * DAY)


def test_psi_is_that_worked_out_by_hand() -> None:
    """Halves of the reference against 1/4 and 3/4: -1/4 ln(1/2) + 1/4 ln(3/2), which is 1/4 ln 3."""
    assert psi(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 4, 4]), bins=2) == pytest.approx(0.25 * math.log(3))


def test_an_empty_bin_counts_as_half_a_reading() -> None:
    shares = (0.5 / 4 - 0.5) * math.log(0.5 / 4 / 0.5) + (1 - 0.5) * math.log(1 / 0.5)
    assert psi(np.array([1.0, 2, 3, 4]), np.array([3.0, 3, 4, 4]), bins=2) == pytest.approx(shares)


def test_a_value_that_spans_bins_has_one_of_its_own() -> None:
    """The deciles of 0 (8 of 10), 10, 20: bins are 0; 10; 20, and what lies below 0."""
    reference = np.array([0.0] * 8 + [10, 20])
    newest = np.array([0.0] * 6 + [10, 10, 20, 20])
    by_hand = (0.6 - 0.8) * math.log(0.6 / 0.8) + 2 * 0.1 * math.log(2)
    assert psi(reference, newest) == pytest.approx(by_hand)
    below = psi(reference, np.array([-1.0] * 8 + [10, 20]))
    assert below == pytest.approx(2 * (0.8 - 0.05) * math.log(0.8 / 0.05))


def test_psi_of_a_constant_sees_another_constant() -> None:
    assert psi(np.zeros(9), np.zeros(5)) == 0
    assert psi(np.zeros(9), np.ones(5)) > 1
    assert psi(np.zeros(9), -np.ones(5)) > 1


def test_psi_is_never_negative() -> None:
    draws = np.random.default_rng(1)
    for _ in range(50):
        assert psi(draws.normal(size=40).round(), draws.normal(size=30).round()) >= 0


def test_the_effective_size_is_that_worked_out_by_hand() -> None:
    """Deviations -1, -1, 1, 1: r is (1 - 1 + 1) / 4, and 4 (3/4) / (5/4) is 2.4."""
    assert effective_size(np.array([1.0, 1, 3, 3])) == pytest.approx(2.4)


def test_the_effective_size_lies_between_two_and_all_readings() -> None:
    assert effective_size(np.arange(1000.0)) == 2
    assert effective_size(np.ones(1000)) == 2
    assert effective_size(np.tile([0.0, 1.0], 500)) == 1000  # r is -1: more than all would be claimed
    assert effective_size(np.array([5.0])) == 1
    assert effective_size(slow(100_000, rho=0.9)) == pytest.approx(100_000 / 19, rel=0.1)


def test_dependence_lowers_significance() -> None:
    reference, newest = slow(OLD, rho=0.99), slow(NEW, seed=1, rho=0.99)
    distance, p_value = kolmogorov_smirnov(reference, newest)
    plain = ks_2samp(reference, newest, method="asymp")
    assert distance == plain.statistic
    assert plain.pvalue < 1e-6
    assert p_value > 0.05
    shuffle = np.random.default_rng(0).permutation
    assert kolmogorov_smirnov(shuffle(reference), shuffle(newest))[1] < 1e-6  # the same values, independent


@pytest.mark.parametrize("rho", [0.75, 0.98, 0.999])
def test_without_drift_p_is_seldom_small(rho: float) -> None:
    """At 5 % about 5 of 100; twice that is let pass."""
    series = [slow(OLD + NEW, seed=seed, rho=rho) for seed in range(100)]
    assert sum(kolmogorov_smirnov(values[:OLD], values[OLD:])[1] < 0.05 for values in series) <= 10


def test_identical_spans_have_no_drift() -> None:
    values = np.tile(slow(NEW), 2)
    frame = frame_of(y=values, x=-values)
    drift = measure_drift(frame, range(NEW), range(NEW, 2 * NEW), read=["y"], target="y")
    assert [(column.psi, column.ks, column.level, column.cause) for column in drift.columns] == [(0, 0, "none", "")] * 2
    assert drift.alarms == ()
    assert drift.sentence.startswith("No drift: the readings from 2016-01-25 17:00 to 2016-02-08 16:50 differ in none")


def test_a_level_shift_is_major_and_named() -> None:
    column = measured(20 + slow(OLD + NEW) + 2 * (np.arange(OLD + NEW) >= OLD))
    assert column.level == "major"
    assert column.newest_mean - column.reference_mean == pytest.approx(2, abs=0.3)
    assert "mean 2" in column.cause
    assert "standard deviations higher" in column.cause


def test_another_spread_is_named() -> None:
    column = measured(20 + slow(OLD + NEW) * np.where(np.arange(OLD + NEW) < OLD, 1, 0.3))
    assert column.level == "major"
    assert column.cause.startswith("spread narrower: standard deviation 0.3")


def test_the_same_change_in_a_short_span_raises_no_alarm() -> None:
    values = slow(OLD + NEW, rho=0.99) + 1.5 * (np.arange(OLD + NEW) >= OLD)
    frame = frame_of(y=values)
    levels = [
        measure_drift(frame, range(OLD), range(OLD, OLD + rows), read=["y"], target="y").columns[0]
        for rows in (DAY // 4, NEW)
    ]
    assert levels[0].psi > 0.25
    assert [column.level for column in levels] == ["none", "major"]


def test_values_outside_the_training_range_are_named() -> None:
    values = np.random.default_rng(0).uniform(0, 10, OLD + NEW)
    values[OLD : OLD + NEW // 4] += 12
    values[-NEW // 10 :] = -1 - values[-NEW // 10 :]
    column = measured(values)
    assert column.level == "major"
    assert column.cause.startswith("10 % below and 25 % above the range seen in training, 0.00")


def test_values_outside_the_training_range_are_moderate_even_if_chance_could_do_it() -> None:
    values = slow(OLD + NEW, rho=0.9995)
    values[-NEW // 10 :] += values[:OLD].max() + 1 - values[-NEW // 10 :].min()
    column = measured(values)
    assert column.p_value > 0.05
    assert column.level == "moderate"


@pytest.mark.parametrize(("share", "named"), [(0.16, True), (0.005, False)])
def test_a_floored_sensor_is_named_though_it_works_in_part_of_the_span(share: float, named: bool) -> None:
    values = slow(OLD + NEW, rho=0.995)
    floor = values[:OLD].min() - 1
    values[OLD:] += floor - np.quantile(values[OLD:], share)
    column = measured(np.maximum(values, floor))
    words = f"stuck at {floor:.4g} in 16 % of the newest readings, in training 0 % (a sensor fault?); "
    assert column.cause.startswith(words) is named
    assert "the range seen in training" in column.cause


def test_a_sensor_that_stands_still_within_its_range_is_named() -> None:
    values = 20 + slow(OLD + NEW)
    values[OLD + DAY :] = 20.5
    column = measured(values, read=False)
    assert not column.read
    assert column.level == "major"
    assert column.cause == "stuck at 20.5 in 93 % of the newest readings, in training 0 % (a sensor fault?)"


def test_what_is_often_zero_is_not_stuck() -> None:
    """As `lights`: 77 % zeros in training, 85 % of the newest."""
    quiet = np.concatenate([slow(OLD) < 0.74, slow(NEW, seed=1) < 1.04])
    column = measured(np.where(quiet, 0, 10))
    assert (column.level, column.cause) == ("none", "")


def test_multiples_of_ten_are_drawn_in_whole_steps() -> None:
    values = (60 + 20 * slow(OLD + NEW)).round(-1)
    column = measured(values)
    assert column.level == "none"
    edges = np.array(column.edges)
    np.testing.assert_allclose(edges % 10, 5)
    np.testing.assert_allclose(np.diff(edges), 10)
    assert sum(column.reference_shares) == pytest.approx(1)
    assert sum(column.newest_shares) == pytest.approx(1)


def test_bars_hold_every_reading_and_share_their_edges() -> None:
    column = measured(slow(OLD + NEW))
    assert len(column.edges) == len(column.newest_shares) + 1 == len(column.reference_shares) + 1
    assert sum(column.newest_shares) == pytest.approx(1)
    assert sum(measured(np.full(OLD + NEW, 3.0)).newest_shares) == 1


@pytest.mark.parametrize(("moved", "words"), [(-6, "60 minutes earlier"), (6, "60 minutes later"), (1, ""), (0, "")])
def test_a_daily_profile_that_moved_is_named(moved: int, words: str) -> None:
    frame = frame_of(y=np.concatenate([days(110, 40), days(110 + moved, 14)]))
    column = measure_drift(frame, *SPANS, read=["y"], target="y").columns[0]
    expected = f"the day's profile lies {words} than in training (did the clock change?)" if words else ""
    assert (column.level, column.cause) == ("moderate" if words else "none", expected)


@pytest.mark.parametrize("newest", [0.1, 0.3])
def test_of_constants_neither_a_profile_nor_a_spread_is_made_up(newest: float) -> None:
    values = np.full(OLD + NEW, 0.1)
    values[OLD:] = newest
    column = measure_drift(frame_of(y=values), *SPANS, read=["y"], target="y").columns[0]
    words = "stuck at 0.3 in 100 % of the newest readings, in training 0 % (a sensor fault?); 100 % above the range "
    assert column.cause == ("" if newest == 0.1 else f"{words}seen in training, 0.1 to 0.1")


def test_a_profile_needs_a_week() -> None:
    frame = frame_of(y=np.concatenate([days(110, 40), days(104, 14)]))
    drift = measure_drift(frame, range(OLD), range(OLD, OLD + 6 * DAY), read=["y"], target="y")
    assert drift.columns[0].cause == ""


def test_missing_values_are_left_out_and_missing_columns_named() -> None:
    values = slow(OLD + NEW)
    holes, gone, never = values.copy(), values.copy(), values.copy()
    holes[::3] = np.nan
    holes[1] = np.inf
    gone[OLD:] = np.nan
    never[:] = np.nan
    frame = frame_of(y=values, holes=holes, gone=gone, never=never, late=gone[::-1])
    drift = measure_drift(frame, *SPANS, read=["y"], target="y")
    columns = {column.column: column for column in drift.columns}
    assert (columns["holes"].level, columns["holes"].ks < 0.2) == ("none", True)
    assert (columns["gone"].level, columns["gone"].cause) == ("major", "no readings among the newest")
    assert columns["never"].cause == "no readings in training and among the newest"
    assert math.isnan(columns["gone"].psi)
    assert math.isnan(columns["gone"].newest_mean)
    assert [column.column for column in drift.columns] == ["y", "gone", "never", "late", "holes"]  # y is read
    assert "Without readings to compare: gone, never." in drift_panels(drift)[0].note


def test_what_the_model_reads_stands_first_then_the_largest_psi() -> None:
    later = np.arange(OLD + NEW) >= OLD
    values = slow(OLD + NEW)
    frame = frame_of(y=values, more=values + 3 * later, less=values + 2 * later)
    drift = measure_drift(frame, *SPANS, read=["y", "less"], target="y")
    assert [column.column for column in drift.columns] == ["less", "y", "more"]
    assert [column.column for column in drift.alarms] == ["less", "more"]
    assert drift.sentence.startswith("Drift in what the model reads: less (major), 14 % above ")
    assert drift.sentence.endswith(
        "In the readings from 2016-02-20 17:00 to 2016-03-05 16:50, 2 major, 0 moderate, 1 none of 3 columns."
    )
    unread = replace(drift, columns=tuple(replace(column, read=False) for column in drift.columns))
    assert unread.sentence.startswith("No drift in what the model reads. Elsewhere, less (major), 14 % above ")
    assert "standard deviations higher; and 1 more column. In the readings" in unread.sentence


def test_what_the_model_reads_comes_first_whatever_its_grade() -> None:
    """The daily profile of the one column that is read lies at another time; a sensor beside it is stuck."""
    stuck = measured(slow(OLD + NEW), read=False)
    columns = (
        replace(stuck, column="load", read=True, level="moderate", cause="the day's profile lies 60 minutes earlier"),
        replace(stuck, column="RH_6", level="major", cause="stuck at 1"),
        replace(stuck, column="T1", level="none", cause=""),
    )
    moment = pd.Timestamp("2016-05-13")
    drift = Drift(moment, moment, moment, moment, columns)
    assert drift.sentence == (
        "Drift in what the model reads: load (moderate), the day's profile lies 60 minutes earlier. In the "
        "readings from 2016-05-13 00:00 to 2016-05-13 00:00, 1 major, 1 moderate, 1 none of 3 columns."
    )
    panel, first, second = drift_panels(drift)[:3]
    assert "1 major, 1 moderate, 1 none." in panel.note
    assert (first.title, second.title) == ("load", "RH_6")
    table = drift_table(drift)
    assert (table.marked, [row[5] for row in table.rows]) == (0, ["moderate", "major", "none"])


def test_nothing_given_is_changed_and_what_lies_between_the_spans_does_not_matter() -> None:
    frame = frame_of(y=slow(OLD + NEW), x=slow(OLD + NEW, seed=1))
    copy = frame.copy()
    spans = (range(OLD - DAY), range(OLD, OLD + NEW))
    drift = measure_drift(frame, *spans, read=["y"], target="y")
    pd.testing.assert_frame_equal(frame, copy)
    copy.iloc[OLD - DAY : OLD] = 1e6
    assert measure_drift(copy, *spans, read=["y"], target="y") == drift


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"newest": range(5, 5)}, r"newest must be rows within 0\.\.100, at least one, received range\(5, 5\)"),
        ({"reference": range(90, 101)}, r"reference must be rows within 0\.\.100"),
        ({"read": ["z", "Lights"]}, "column 'Lights' is missing: did you mean 'lights'"),
        ({"target": "other"}, "column 'other' is missing"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], message: str) -> None:
    frame = frame_of(z=np.arange(100.0), lights=np.zeros(100))
    given = {"reference": range(50), "newest": range(50, 100), "read": ["z"], "target": "z"}
    with pytest.raises(ValueError, match=message):
        measure_drift(frame, **{**given, **change})


@pytest.mark.parametrize(("old", "new"), [(1, 1), (2, 1), (1, 3)])
def test_spans_of_a_row_or_two_do_not_fail(old: int, new: int) -> None:
    frame = frame_of(y=np.arange(4.0))
    drift = measure_drift(frame, range(old), range(old, old + new), read=["y"], target="y")
    assert drift.alarms == ()


def test_the_task_wraps_the_function() -> None:
    assert (drift_task.name, drift_task.fn) == ("measure_drift", measure_drift)


@pytest.fixture(scope="module")
def drifted() -> Drift:
    """Eight columns that are shifted, of which the model reads one, and two that are not."""
    later = np.arange(OLD + NEW) >= OLD
    values = {f"c{place}": slow(OLD + NEW, seed=place) + 0.4 * place * later for place in range(2, 10)}
    frame = frame_of(y=slow(OLD + NEW, seed=20), **{"<b>odd": slow(OLD + NEW, seed=21)}, **values)
    return measure_drift(frame, *SPANS, read=["y", "c6"], target="y")


def test_the_first_panel_shows_every_column(drifted: Drift) -> None:
    panel, *others = drift_panels(drifted)
    assert panel.wide
    figure = json.loads(panel.figure.to_json())
    assert {trace["name"] for trace in figure["data"]} == {"read by the model", "not read"}
    bars = {trace.name: trace for trace in panel.figure.data}
    assert len(bars["read by the model"].x) == 2
    assert len(bars["not read"].x) == 8
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [0.1, 0.25]
    assert "&lt;b&gt;odd " in figure["layout"]["yaxis"]["ticktext"]
    assert len(others) == 6
    assert not any(other.wide for other in others)


def test_values_are_shown_of_what_the_model_reads_first(drifted: Drift) -> None:
    _, first, second, *_ = drift_panels(drifted)
    assert (first.title, second.title) == ("c6", "y")
    training, newest = first.figure.data
    assert (training.name, newest.name) == ("training", "newest")
    assert sum(training.y) == pytest.approx(100)
    assert sum(newest.y) == pytest.approx(100)
    assert first.note.startswith("Major: ")


def test_the_table_has_every_number_as_text(drifted: Drift) -> None:
    table = drift_table(drifted)
    assert table.head == ["column", "read by the model", "PSI", "KS", "p", "level", "cause"]
    assert [row[0] for row in table.rows] == [column.column for column in drifted.columns]
    assert table.marked == 0
    assert table.rows[0][:6] == [
        "c6",
        "yes",
        f"{drifted.columns[0].psi:.2f}",
        f"{drifted.columns[0].ks:.2f}",
        "< 0.001",
        "major",
    ]
    assert all(isinstance(cell, str) for row in table.rows for cell in row)


def test_without_any_reading_there_is_a_table_and_no_figure() -> None:
    column = ColumnDrift("x", True, math.nan, math.nan, math.nan, "major", "no readings in training", math.nan, 1.0)
    moment = pd.Timestamp("2016-01-11")
    drift = Drift(moment, moment, moment, moment, (column,))
    assert drift_panels(drift) == []
    assert drift_table(drift).rows == [["x", "yes", "–", "–", "–", "major", "no readings in training"]]


@pytest.fixture(scope="module")
def real(real_file: Path) -> pd.DataFrame:
    frame = download(str(real_file)).frame
    return frame.set_index(pd.DatetimeIndex(frame["date"])).drop(columns="date").astype(float)


def last_days(frame: pd.DataFrame, end: str, count: int = 14) -> dict[str, ColumnDrift]:
    """The newest `count` days that end at `end` against all rows before them, by column."""
    stop = frame.index.searchsorted(pd.Timestamp(end), side="right")
    start = stop - count * DAY
    drift = measure_drift(frame, range(start), range(start, stop), read=["Appliances"], target="Appliances")
    return {column.column: column for column in drift.columns}


@pytest.mark.parametrize(
    ("end", "count", "share"),
    [
        ("2016-04-20", 14, "3 %"),
        ("2016-04-20", 21, "2 %"),
        ("2016-05-09", 14, "28 %"),
        ("2016-05-09", 21, "25 %"),
        ("2016-05-27 18:00", 14, "28 %"),
        ("2016-05-27 18:00", 21, "28 %"),
    ],
)
def test_the_fault_of_rh_6_is_named(real: pd.DataFrame, end: str, count: int, share: str) -> None:
    columns = last_days(real, end, count)
    assert columns["RH_6"].level == "major"
    assert columns["RH_6"].cause.startswith(f"stuck at 1 in {share} of the newest readings, in training ")
    assert not any("stuck" in other.cause for name, other in columns.items() if name != "RH_6")


@pytest.mark.parametrize("end", ["2016-02-15", "2016-03-01", "2016-03-15", "2016-03-26"])
def test_no_sensor_is_stuck_and_no_profile_moved_in_winter(real: pd.DataFrame, end: str) -> None:
    assert not any("stuck" in column.cause or "profile" in column.cause for column in last_days(real, end).values())


@pytest.mark.parametrize("end", ["2016-04-20", "2016-05-01", "2016-05-15"])
def test_the_clock_that_did_not_follow_summer_time_is_named(real: pd.DataFrame, end: str) -> None:
    assert "minutes earlier than in training (did the clock change?)" in last_days(real, end)["Appliances"].cause


def test_noise_does_not_drift(real: pd.DataFrame) -> None:
    columns = last_days(real, "2016-05-27 18:00")
    assert {columns[name].level for name in ("rv1", "rv2")} == {"none"}
    assert {columns[name].level for name in ("T1", "T4", "T9")} == {"major"}  # the house in May against winter
