"""What was known when: each forecast reads of each step the newest revision that was there at its moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny import house, prepare, revised

from wattcast.model.baseline import RidgeOnLags
from wattcast.model.clean import clean, settle
from wattcast.model.errors import InputError
from wattcast.model.fit import FitConfig
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig, Shape
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.training import train_network
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.split import Split
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows

READINGS = ReadingsConfig(features=(), known=("T_out",), available_at="issued")
WINDOW = WindowConfig(lookback=4, output_length=3)
RAW = house(150)[["date", "Appliances", "T_out"]]
CADENCE = pd.Timedelta(minutes=10)
MODEL = GRUConfig(layers=(LayerConfig(units=3),))


def table(*rows: tuple[str, float | None, str, float | None]) -> pd.DataFrame:
    """Rows of a file: time stamp, load, issued, tariff."""
    return pd.DataFrame(rows, columns=["when", "load", "issued", "tariff"])


TARIFF = ReadingsConfig(
    timestamp="when", targets=("load",), known=("tariff",), available_at="issued", cadence_minutes=60, unit="kWh"
)
DAY = "2026-03-01 "
ROWS = table(
    (f"{DAY}00:00", 1, f"{DAY}00:00", 10),
    (f"{DAY}01:00", 2, f"{DAY}00:00", 11),
    (f"{DAY}02:00", 3, f"{DAY}00:00", 12),
    (f"{DAY}02:00", None, f"{DAY}01:30", 12.5),
    (f"{DAY}03:00", 4, f"{DAY}01:00", 13),
    (f"{DAY}04:00", None, f"{DAY}00:00", 14),
    (f"{DAY}04:00", None, f"{DAY}03:00", 14.5),
    (f"{DAY}04:00", None, f"{DAY}03:30", 14.9),
)


# reading them


def test_a_clean_frame_has_the_newest_of_each_step_and_all_revisions_beside() -> None:
    cleaned = clean(ROWS, TARIFF)
    assert not cleaned.faults
    assert cleaned.frame["load"].tolist() == [1, 2, 3, 4]
    assert cleaned.frame["tariff"].tolist() == [10, 11, 12.5, 13]
    assert cleaned.to_come.known["tariff"].tolist() == [14.9]
    assert cleaned.revisions is not None
    assert cleaned.revisions.given["tariff"].tolist() == [10, 11, 12, 12.5, 13, 14, 14.5, 14.9]
    assert "5 steps of known columns have 3 revisions by column 'issued'" in cleaned.notes


def test_at_a_moment_the_newest_value_of_each_step_is_known_that_was_there() -> None:
    revisions = clean(ROWS, TARIFF).revisions
    assert revisions is not None
    steps = pd.date_range(f"{DAY}02:00", periods=4, freq="h")
    known = {clock: revisions.known_at(pd.Timestamp(DAY + clock), steps) for clock in ("00:30", "01:30", "03:10")}
    assert all(table.index.equals(steps) for table in known.values())
    values = {clock: table["tariff"].fillna(-1).tolist() for clock, table in known.items()}
    assert values == {"00:30": [12, -1, 14, -1], "01:30": [12.5, 13, 14, -1], "03:10": [12.5, 13, 14.5, -1]}


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    mixed = clean(ROWS.sample(frac=1, random_state=seed), TARIFF)
    plain = clean(ROWS, TARIFF)
    pd.testing.assert_frame_equal(mixed.frame, plain.frame)
    assert mixed.revisions is not None and plain.revisions is not None  # noqa: PT018
    pd.testing.assert_frame_equal(mixed.revisions.given, plain.revisions.given)


def test_targets_may_stand_in_each_row_of_a_step() -> None:
    repeated = ROWS.assign(load=[1, 2, 3, 3, 4, None, None, None])
    pd.testing.assert_frame_equal(clean(repeated, TARIFF).frame, clean(ROWS, TARIFF).frame)


def test_targets_that_differ_from_revision_to_revision_are_a_fault() -> None:
    faults = clean(ROWS.assign(load=[1, 2, 3, 9, 4, None, None, None]), TARIFF).faults
    assert any("time stamps stand more than once with different readings" in fault for fault in faults)


def test_a_revision_may_leave_columns_open_and_stand_in_two_rows() -> None:
    readings = TARIFF.model_copy(update={"known": ("tariff", "wind")})
    more = ROWS.assign(wind=[1.0, 1, 1, None, None, 4, None, 5]).drop(index=4)
    parts = table((f"{DAY}03:00", 4, f"{DAY}01:00", 13), (f"{DAY}03:00", None, f"{DAY}01:00", None))
    cleaned = clean(pd.concat([more, parts.assign(wind=[None, 2.0])]), readings)
    assert not cleaned.faults
    assert cleaned.frame["wind"].tolist() == [1, 1, 1, 2]
    assert cleaned.frame["tariff"].tolist() == [10, 11, 12.5, 13]
    assert cleaned.revisions is not None
    assert cleaned.revisions.given["wind"].tolist() == [1, 1, 1, 1, 2, 4, 4, 5]


def test_other_columns_tell_no_meters_apart_where_revisions_repeat_time_stamps() -> None:
    raw = revised(RAW, "T_out", leads=(2, 30), noise=0.5)
    raw["run"] = np.where(raw["Appliances"].isna(), 6, 0)  # as a column of meters looks
    settle(raw, READINGS)
    with pytest.raises(InputError, match="meter"):
        settle(raw, READINGS.model_copy(update={"available_at": None}))


@pytest.mark.parametrize(
    ("row", "cell", "message"),
    [
        (3, "soon", "1 rows hold a known column and no time stamp in column 'issued' that can be read, first row 3"),
        (3, None, "1 rows hold a known column and no time stamp in column 'issued'"),
        (3, f"{DAY}02:01", "1 rows became available later than the time that they describe, first row 3 of"),
        (3, f"{DAY}00:00", "1 rows contradict another one of the same time stamp and 'issued'"),
    ],
)
def test_what_cannot_be_told_is_named(row: int, cell: str | None, message: str) -> None:
    broken = ROWS.copy()
    broken.loc[row, "issued"] = cell
    assert any(message in fault for fault in clean(broken, TARIFF).faults)


def test_a_measurement_is_told_what_it_is() -> None:
    (fault,) = clean(ROWS.assign(issued=[f"{DAY}05:0{row}" for row in range(8)]), TARIFF).faults
    assert "8 rows became available later" in fault
    assert "that is a measurement and no forecast" in fault


def test_revisions_beside_the_steps_are_a_fault() -> None:
    more = pd.concat([ROWS, table((f"{DAY}05:20", None, f"{DAY}00:00", 3.0))])
    faults = clean(more, TARIFF).faults
    assert any("revisions of known columns lie beside the steps" in fault for fault in faults), faults


def test_a_missing_column_is_named() -> None:
    assert (
        "column 'issued' is missing: did you mean 'isued'?"
        in clean(ROWS.rename(columns={"issued": "isued"}), TARIFF).faults
    )


def test_available_at_needs_known_columns() -> None:
    with pytest.raises(ValidationError, match="available_at says when known columns became known"):
        ReadingsConfig(available_at="issued")
    with pytest.raises(ValidationError, match="received twice"):
        ReadingsConfig(known=("tariff",), available_at="tariff")


def test_hours_that_a_clock_shows_twice_count_as_the_later_ones() -> None:
    """On 25 October 2026 02:30 is shown in summer time, then again an hour later: nothing is known too early."""
    readings = TARIFF.model_copy(update={"timezone": "Europe/Brussels"})
    rows = table(
        ("2026-10-25 03:00", 1, "2026-10-25 02:30", 10),
        ("2026-10-25 04:00", 2, "2026-10-25 02:30", 11),
    )
    found = clean(rows, readings).revisions
    assert found is not None
    assert [str(moment) for moment in found.available_at] == ["2026-10-25 02:30:00+01:00"] * 2


# what a moment reads


def naive(revisions: Revisions, moment: pd.Timestamp, step: pd.Timestamp) -> float:
    there = (revisions.given.index == step) & (revisions.available_at <= moment)
    return float(revisions.given["T_out"].to_numpy()[there][-1]) if there.any() else np.nan


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 8)), max_size=40, unique=True), st.integers(1, 3))
def test_each_moment_reads_the_newest_that_was_there(pairs: list[tuple[int, int]], ahead: int) -> None:
    times = pd.date_range("2026-03-01", periods=10, freq="10min")
    steps = sorted(((times[0] + step * CADENCE, times[0] + (step - lead) * CADENCE) for step, lead in pairs))
    values = pd.DataFrame({"T_out": np.arange(float(len(steps)))}, pd.DatetimeIndex([step for step, _ in steps]))
    revisions = Revisions(values, pd.DatetimeIndex([moment for _, moment in steps]))
    rows, found = revisions.rows_at(times, steps_ahead=ahead, length=4)
    kept = revisions.in_series(times)["T_out"].to_numpy()
    assert len(rows) == len(kept)
    for row, column in np.ndindex(found.shape):
        target = row + ahead + column
        expected = naive(revisions, times[row], times[target]) if target < len(times) else np.nan
        place = found[row, column]
        np.testing.assert_equal(kept[place] if place >= 0 else np.nan, expected)


def test_windows_read_what_was_known_at_their_moment() -> None:
    raw = revised(RAW, "T_out", leads=(1, 2, 30), noise=0.5)
    frame, scaler, windows = prepare(raw, readings=READINGS, window=WINDOW)
    cleaned = clean(raw, READINGS)
    assert cleaned.revisions is not None
    test = windows.test
    read = test.series.ahead[test.ahead_rows][..., 5]  # [N, L] behind the calendar
    times = test.series.times
    for n in range(0, len(test), 7):
        moment, steps = times[test.newest_row[n]], times[test.target_rows[n]]
        expected = pd.DataFrame({"T_out": [naive(cleaned.revisions, moment, step) for step in steps]})
        np.testing.assert_array_equal(read[n], scaler.part(("T_out",)).transform(expected)[:, 0])
    final = scaler.part(("T_out",)).transform(frame[["T_out"]])[:, 0]
    assert (read[:, 0] == final[test.target_rows[:, 0]]).all()  # one step ahead the newest was there
    assert (read[:, 2] != final[test.target_rows[:, 2]]).any()


def test_a_window_of_whose_steps_something_was_not_known_is_left_out() -> None:
    raw = revised(RAW, "T_out", leads=(2, 30), noise=0.5)
    late = raw["date"].eq(RAW["date"].iloc[100]) & raw["T_out"].notna()
    raw.loc[late, "issued"] = RAW["date"].iloc[98] - pd.Timedelta(minutes=5)  # known from row 98 on
    raw = raw[~(late & raw["Appliances"].isna())]
    cleaned = clean(raw, READINGS)
    frame, _, windows = prepare(raw, readings=READINGS, window=WINDOW)
    series, part = windows.train.series, range(10, len(frame))
    every = make_windows(series, part, CADENCE, WINDOW, unknown=True)
    known = make_windows(series, part, CADENCE, WINDOW)
    lost = set(every.newest_row.tolist()) - set(known.newest_row.tolist())
    assert lost == {97}  # one step before it is known; it is three steps away at most
    assert not cleaned.faults
    with pytest.raises(InputError, match=r"of none of the \d+ windows of rows .* all steps were known at the moment"):
        prepare(RAW.assign(issued=RAW["date"]), readings=READINGS, window=WINDOW)


def test_without_revisions_nothing_changes() -> None:
    """The fast path: rows of what is known are the target rows."""
    readings = READINGS.model_copy(update={"available_at": None})
    windows = prepare(RAW, readings=readings, window=WINDOW).windows
    assert windows.train.series.places is None
    np.testing.assert_array_equal(windows.train.ahead_rows, windows.train.target_rows)
    np.testing.assert_array_equal(windows.train.ahead_rows_of(slice(None), 2), windows.train.target_rows[:, 2])


def test_values_that_were_always_there_are_read_as_without_revisions() -> None:
    """Windows, baselines and networks, bit for bit."""
    readings = READINGS.model_copy(update={"available_at": None})
    plain = prepare(RAW, readings=readings, window=WINDOW).windows
    known = prepare(RAW.assign(issued=RAW["date"].iloc[0]), readings=READINGS, window=WINDOW)
    windows = known.windows
    one, other = (each.test.series.ahead[each.test.ahead_rows] for each in (plain, windows))
    np.testing.assert_array_equal(one, other)
    one, other = (RidgeOnLags.fit(each.train).predict(each.test) for each in (plain, windows))
    np.testing.assert_array_equal(one, other)
    config = FitConfig(epochs=1, members=1, batch_size=32, kernel="fast")
    first, second = (train_network(MODEL, config, each, known.scaler) for each in (plain, windows))
    for weight, again in zip(first.members[0].weights, second.members[0].weights, strict=True):
        np.testing.assert_array_equal(weight, again)


def test_a_training_reads_no_revision_that_came_too_late() -> None:
    """What no moment reads, as revisions of one step before are for forecasts of two and more, may be anything."""
    raw = revised(RAW, "T_out", leads=(1, 30), noise=0.5)
    made = prepare(raw, readings=READINGS, window=WindowConfig(lookback=4, output_length=3, steps_ahead=2))
    series = made.windows.train.series
    assert series.places is not None
    unread = np.isin(np.arange(len(series.ahead)), series.places, invert=True)
    assert unread.sum() > 140
    altered = replace(series, ahead=np.where(unread[:, None], np.float32(99), series.ahead))
    again = made.windows.map(lambda part: replace(part, series=altered))
    config = FitConfig(epochs=1, members=1, batch_size=32, kernel="fast")
    one, other = (train_network(MODEL, config, each, made.scaler) for each in (made.windows, again))
    for weight, same in zip(one.members[0].weights, other.members[0].weights, strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("kernel", ["fast", "keras"])
def test_a_training_learns_from_what_was_known(kernel: str) -> None:
    """Another revision that is read makes another network."""
    raw = revised(RAW, "T_out", leads=(2, 30), noise=0.5)
    made = prepare(raw, readings=READINGS, window=WINDOW)
    train = made.windows.train
    ahead = train.series.ahead.copy()
    ahead[train.ahead_rows[:, 0], 5] += 1
    altered = replace(train.series, ahead=ahead)
    again = made.windows.map(lambda part: replace(part, series=altered))
    config = FitConfig(epochs=1, members=1, batch_size=32, kernel=kernel)
    one, other = (train_network(MODEL, config, each, made.scaler) for each in (made.windows, again))
    assert not np.array_equal(one.members[0].weights[-2], other.members[0].weights[-2])


# the product


def forecaster(raw: pd.DataFrame, window: WindowConfig = WINDOW) -> tuple[Forecaster, Split[Windows]]:
    made = prepare(raw, readings=READINGS, window=window)
    shape = Shape.of(made.windows.train)
    network = build(MODEL, shape, [initial_weights(MODEL, shape, seed=1)])
    return Forecaster(READINGS, window, made.scaler, MODEL, network), made.windows


def test_what_is_scored_is_what_is_served() -> None:
    """From each moment of the test part, from the whole of the rows as from those that were there."""
    raw = revised(RAW, "T_out", leads=(1, 2, 3, 30), noise=0.5)
    product, windows = forecaster(raw)
    scored = product.predict(windows.test)[..., 0]
    every = product.forecast(raw, every=True)
    made_at = windows.test.series.times[windows.test.newest_row]
    served = every[every["made_at"].isin(made_at)]["Appliances"].to_numpy().reshape(scored.shape)
    np.testing.assert_allclose(served, scored, rtol=1e-5)
    for n in (0, len(made_at) // 2):
        there = raw[raw["issued"] <= made_at[n]].copy()
        there.loc[there["date"] > made_at[n], "Appliances"] = np.nan
        alone = product.forecast(there)
        assert (alone["made_at"] == made_at[n]).all()
        np.testing.assert_allclose(alone["Appliances"], scored[n], rtol=1e-5)


def test_a_forecast_reads_nothing_that_came_after_its_moment() -> None:
    raw = revised(RAW, "T_out", leads=(1, 2, 30), noise=0.5)
    product, _ = forecaster(raw)
    moment = RAW["date"].iloc[120]
    later = raw["issued"] > moment
    altered = raw.assign(T_out=raw["T_out"].where(~later, raw["T_out"] * 2 + 5))
    one, other = (product.forecast(each, every=True) for each in (raw, altered))
    until = one["made_at"] <= moment
    pd.testing.assert_frame_equal(one[until], other[until])
    assert not one[~until].equals(other[~until])


def test_a_step_that_is_not_known_in_time_is_named() -> None:
    raw = revised(RAW, "T_out", leads=(2, 30), noise=0.5)
    product, _ = forecaster(raw)
    now = RAW["date"].iloc[100]
    there = raw[raw["date"] <= now + 3 * CADENCE].copy()
    there.loc[there["date"] > now, "Appliances"] = np.nan
    there.loc[there["date"] == now + 2 * CADENCE, "issued"] = now + CADENCE
    there = there[~(there["date"].eq(now + 2 * CADENCE) & there.duplicated(["date", "issued"]))]
    message = r"column 'T_out' is not given by then \(column 'issued'\) of step 2 ahead, .* \(1 of 3 steps lack"
    with pytest.raises(InputError, match=message):
        product.forecast(there)


def test_a_saved_product_reads_revisions(tmp_path: Path) -> None:
    raw = revised(RAW, "T_out", leads=(2, 30), noise=0.5)
    product, _ = forecaster(raw)
    product.save(tmp_path)
    loaded = Forecaster.load(tmp_path)
    loaded.warm_up()
    pd.testing.assert_frame_equal(loaded.forecast(raw, every=True), product.forecast(raw, every=True))


def test_a_series_of_revised_readings_needs_its_revisions() -> None:
    """Whoever forgets them would read the future."""
    made = prepare(revised(RAW, "T_out", leads=(2, 30), noise=0.5), readings=READINGS, window=WINDOW)
    with pytest.raises(ValueError, match="need their revisions"):
        make_series(made.frame, READINGS, made.scaler, WINDOW)
