"""The proof against leakage holds for an honest preparation and finds each kind of leak."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from tiny import house as simulated
from tiny import revised

from wattcast.model.clean import Cleaned, check_readings, clean
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import ScaleConfig, Scaler, fit_scaler
from wattcast.model.split import Split, SplitConfig, split_rows
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows
from wattcast.tasks.learning.leakage import LeakageProof, prove_no_leakage

READINGS = ReadingsConfig(features=("T_out",), known=("RH_out",), time="calendar")
OTHERS = READINGS.features + READINGS.known
WINDOW = WindowConfig(lookback=4, steps_ahead=2, output_length=2)
Prepared = tuple[Scaler, Split[Windows]]


@pytest.fixture(scope="module")
def frame(house: pd.DataFrame) -> pd.DataFrame:
    return check_readings(house.head(300), READINGS)


@pytest.fixture(scope="module")
def rows(frame: pd.DataFrame) -> Split[range]:
    return split_rows(pd.DatetimeIndex(frame.index), SplitConfig())


def honest(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    scaler = fit_scaler(frame.iloc[: rows.train.stop], READINGS.targets, OTHERS, ScaleConfig())
    series = make_series(frame, READINGS, scaler)
    return scaler, rows.map(lambda part: make_windows(series, part, READINGS.cadence, WINDOW))


def honest_after_a_gap(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    """Nor do short histories, of which some follow a gap."""
    frame = frame.copy()
    frame.index = frame.index.where(np.arange(len(frame)) < 100, frame.index + pd.Timedelta(hours=5))
    scaler, windows = honest(frame, rows)
    short = WINDOW.model_copy(update={"min_history": 2})
    series = windows.train.series
    return scaler, rows.map(lambda part: make_windows(series, part, READINGS.cadence, short))


def scaler_of_all_rows(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    _, windows = honest(frame, rows)
    return fit_scaler(frame, READINGS.targets, OTHERS, ScaleConfig()), windows


def inputs_from_the_future(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    scaler, _ = honest(frame, rows)
    return scaler, honest(frame.assign(T_out=frame["T_out"].shift(-WINDOW.rows, fill_value=0)), rows)[1]


def training_windows_that_reach_too_far(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    scaler, windows = honest(frame, rows)
    last = windows.train.starts + 1
    return scaler, dataclasses.replace(windows, train=dataclasses.replace(windows.train, starts=last))


def lengths_that_look_ahead(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    scaler, windows = honest_after_a_gap(frame, rows)
    most = 4 if frame["Appliances"].iloc[-1] % 10 == 0 else 3  # measured in steps of 10 Wh, altered to anything
    lengths = windows.train.lengths.clip(max=most)
    return scaler, dataclasses.replace(windows, train=dataclasses.replace(windows.train, lengths=lengths))


def with_ahead(frame: pd.DataFrame, rows: Split[range], column: pd.Series) -> Prepared:
    """Heads read `column` [S] at each step, too."""
    scaler, windows = honest(frame, rows)
    series = windows.train.series
    read = np.concatenate([series.ahead, column.to_numpy(np.float32)[:, None]], axis=1)
    return scaler, windows.map(lambda part: dataclasses.replace(part, series=dataclasses.replace(series, ahead=read)))


def steps_that_read_a_past_column(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    return with_ahead(frame, rows, frame["T_out"])


def steps_that_read_the_target_before_them(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    return with_ahead(frame, rows, frame["Appliances"].shift(1, fill_value=0))


def steps_that_read_what_is_known_of_the_next(frame: pd.DataFrame, rows: Split[range]) -> Prepared:
    return with_ahead(frame, rows, frame["RH_out"].shift(-1, fill_value=0))


def prove(
    frame: pd.DataFrame, rows: Split[range], prepare: Callable[[pd.DataFrame, Split[range]], Prepared]
) -> tuple[LeakageProof, LeakageProof, LeakageProof]:
    return prove_no_leakage(
        frame, rows, *prepare(frame, rows), known=READINGS.known, prepare=lambda altered: prepare(altered, rows)
    )


@pytest.mark.parametrize("prepare", [honest, honest_after_a_gap])
def test_an_honest_preparation_passes(
    frame: pd.DataFrame, rows: Split[range], prepare: Callable[[pd.DataFrame, Split[range]], Prepared]
) -> None:
    before = frame.copy()
    training, refit, forecast = prove(frame, rows, prepare)
    assert training.passed
    assert refit.passed
    assert forecast.passed
    assert (training.cut, training.altered_rows, training.cut_time) == (180, 120, str(frame.index[180]))
    assert (refit.cut, refit.altered_rows, refit.known_cut) == (240, 60, 240)
    assert (forecast.cut, forecast.known_cut) == (240, 243)  # two steps ahead, two on end: the last one's row is 242
    assert len(set(training.before.values())) == 4
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("prepare", "changed"),
    [
        (scaler_of_all_rows, {"scaler"}),
        (inputs_from_the_future, {"windows"}),
        (training_windows_that_reach_too_far, {"ahead", "targets"}),
        (lengths_that_look_ahead, {"windows"}),
    ],
)
def test_a_leak_is_found_where_it_is(
    frame: pd.DataFrame,
    rows: Split[range],
    prepare: Callable[[pd.DataFrame, Split[range]], Prepared],
    changed: set[str],
) -> None:
    training, *_ = prove(frame, rows, prepare)
    assert not training.passed
    assert {name for name in training.before if training.before[name] != training.after[name]} == changed


@pytest.mark.parametrize(
    "prepare",
    [
        steps_that_read_a_past_column,
        steps_that_read_the_target_before_them,
        steps_that_read_what_is_known_of_the_next,
    ],
)
def test_a_step_reads_nothing_but_what_is_known_of_it_ahead(
    frame: pd.DataFrame, rows: Split[range], prepare: Callable[[pd.DataFrame, Split[range]], Prepared]
) -> None:
    *_, forecast = prove(frame, rows, prepare)
    assert {name for name in forecast.before if forecast.before[name] != forecast.after[name]} == {"ahead"}


REVISED = ReadingsConfig(features=("lights",), known=("T_out",), available_at="issued")


def of_revisions(cleaned: Cleaned, rows: Split[range], revisions: Revisions | None, *, late: bool = False) -> Prepared:
    """As a training prepares readings of which one column is revised; `late` ones are read a step too early."""
    frame = cleaned.frame
    scaler = fit_scaler(frame.iloc[: rows.train.stop], REVISED.targets, ("lights", "T_out"), ScaleConfig())
    assert revisions is not None
    if late:
        revisions = dataclasses.replace(revisions, available_at=revisions.available_at - REVISED.cadence)
    series = make_series(frame, REVISED, scaler, WINDOW, revisions=revisions)
    return scaler, rows.map(lambda part: make_windows(series, part, REVISED.cadence, WINDOW))


@pytest.mark.parametrize("late", [False, True])
def test_what_became_available_after_the_moment_of_a_forecast_changes_nothing(rows: Split[range], late: bool) -> None:
    """And where a preparation reads it a step too early, the proofs say so."""
    cleaned = clean(revised(simulated(300), "T_out", leads=(2, 3, 40), noise=0.3), REVISED)

    def prepare(frame: pd.DataFrame, revisions: Revisions | None) -> Prepared:
        return of_revisions(dataclasses.replace(cleaned, frame=frame), rows, revisions, late=late)

    revisions = cleaned.revisions
    first = prepare(cleaned.frame, revisions)
    proofs = prove_no_leakage(cleaned.frame, rows, *first, known=REVISED.known, prepare=prepare, revisions=revisions)
    forecast = proofs[2]
    assert forecast.altered_revisions == 58 + 57 + 20  # of each lead
    assert (forecast.cut, forecast.known_cut) == (240, 240)
    assert [proof.passed for proof in proofs] == [not late or proof.name != "forecast" for proof in proofs]
    wrong = {name for name in forecast.before if forecast.before[name] != forecast.after[name]}
    assert wrong == ({"ahead"} if late else set())
