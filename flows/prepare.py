"""From a source of readings to the windows of each part: the way that every flow goes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from wattcast.flows.experiment.experiment import Experiment
from wattcast.model.clean import Cleaned, read_times, settle
from wattcast.model.forecaster import Forecaster
from wattcast.model.intervals import Intervals, require_forecasts
from wattcast.model.meters import rows_of_meter
from wattcast.model.readings import ReadingsConfig
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import Windows, make_windows, window_starts
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import Raw, download_task
from wattcast.tasks.data.units import settle_unit
from wattcast.tasks.data.validate import check_parts, validate_task
from wattcast.tasks.learning.scale import scale, scale_task
from wattcast.tasks.learning.split import split_task
from wattcast.tasks.learning.watch import watch_task
from wattcast.tasks.learning.window import window, window_task
from wattcast.tasks.stages import stage

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

_LONGEST_TAG = 4000


@dataclass(frozen=True)
class Fetched:
    """Readings as they came, how they are read, and what was made of them."""

    raw: Raw
    readings: ReadingsConfig
    cleaned: Cleaned

    @property
    def frame(self) -> pd.DataFrame:
        """The clean frame."""
        return self.cleaned.frame

    @property
    def rows(self) -> pd.DataFrame:
        """The readings of its meter as they came."""
        return rows_of_meter(self.raw.frame, self.readings)[0]

    @property
    def raw_times(self) -> pd.DatetimeIndex:
        """When each of `rows` was taken."""
        read = read_times(self.rows, self.readings)
        return pd.DatetimeIndex([]) if read is None else read.times

    def told(self, preset: str, rows: int | None = None) -> str:
        """What is learnt by which preset, in one line: the data, and when their clean readings were taken.

        Of readings that are not used to the end, the first `rows`.
        """
        times = self.frame.index[:rows]
        span = f"{len(times):,} rows every {self.readings.cadence_minutes:g} minutes from {times[0]} to {times[-1]}"
        return f"preset {preset} on {self.raw.source}, {self.raw.origin}: {span}"

    def raw_rows(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        """The readings as they came of all steps from the one that is labelled `first` to that of `last`."""
        times, step = self.raw_times, self.readings.cadence
        if self.readings.label == "start":
            return self.rows[(times >= first) & (times < last + step)]
        return self.rows[(times > first - step) & (times <= last)]


@dataclass(frozen=True)
class Spans:
    """First and last time stamp of the readings that train a product, and of those that judge it."""

    trained_from: pd.Timestamp
    trained_to: pd.Timestamp
    judged_from: pd.Timestamp
    judged_to: pd.Timestamp

    @property
    def sentence(self) -> str:
        """Both in words."""
        first, last, test_first, test_last = (
            f"{moment:%Y-%m-%d %H:%M}"
            for moment in (self.trained_from, self.trained_to, self.judged_from, self.judged_to)
        )
        return f"Trained on readings from {first} to {last}, scored on those from {test_first} to {test_last}."


@dataclass(frozen=True)
class Prepared:
    """An experiment with its readings: everything that training and evaluation need.

    All windows lie over one series of the whole frame, also where `split.until` lets the data end earlier: whatever is
    trained on the same readings up to different dates shares one compiled program.
    """

    experiment: Experiment
    fetched: Fetched
    rows: Split[range]
    scaler: Scaler
    windows: Split[Windows]
    suspicions: tuple[str, ...] = ()  # of a future that leaked into the readings

    @property
    def raw(self) -> Raw:
        """The readings as they came, and from where."""
        return self.fetched.raw

    @property
    def frame(self) -> pd.DataFrame:
        """The clean frame up to the end of the test part."""
        return self.fetched.frame.iloc[: self.rows.test.stop]

    @property
    def times(self) -> pd.DatetimeIndex:
        """The time stamps of `frame`."""
        return pd.DatetimeIndex(self.frame.index)

    @property
    def all_times(self) -> pd.DatetimeIndex:
        """The time stamps of all clean readings."""
        return pd.DatetimeIndex(self.fetched.frame.index)

    @property
    def known(self) -> Windows:
        """The windows that the product is trained on: what stands beside it on the test part is fitted on them."""
        parts = self.windows
        return parts.train + parts.validation if self.experiment.fit.refit else parts.train

    @property
    def unit(self) -> str | None:
        """The unit of energy of forecasts and scores; None where it is not known."""
        return self.experiment.readings.energy_unit

    @property
    def is_simulated(self) -> bool:
        """The readings are those of no real house."""
        return self.raw.source == "simulated"

    @property
    def tags(self) -> dict[str, str]:
        """What a run or a version says of its preset and data."""
        told = {"leakage": "; ".join(self.suspicions)[:_LONGEST_TAG]} if self.suspicions else {}
        return {
            "preset": self.experiment.preset,
            "data.source": self.raw.source,
            "data.origin": self.raw.origin,
            "data.sha256": self.raw.sha256,
            **told,
        }

    @property
    def spans(self) -> Spans:
        """First and last readings of what trains the product, and of what judges it."""
        times, rows = self.times, self.rows
        newest = rows.test.start if self.experiment.fit.refit else rows.validation.start
        return Spans(times[rows.train.start], times[newest - 1], times[rows.test.start], times[-1])

    @property
    def facts(self) -> dict[str, str]:
        """What a page says of the data."""
        return {"data": f"{self.raw.source}, {self.raw.origin}", "SHA-256": self.raw.sha256}

    @property
    def told(self) -> tuple[str, ...]:
        """Preset and data, the parts, and windows that are left out: what there is to say before a training."""
        times, ours = self.times, self.experiment
        parts = (f"{name} {len(rows):,} rows from {times[rows.start]}" for name, rows in self.rows.items())
        unknown, drawn = self._left_out
        why = f"of whose steps something was not yet known at their moment, by column {ours.readings.available_at!r}"
        points = "whose newest reading or targets are points of a line across a gap"
        return (
            self.fetched.told(ours.preset, len(times)),
            ", ".join(parts),
            *([f"windows left out {why}: {unknown}"] if unknown else []),
            *([f"windows left out {points}: {drawn}"] if drawn else []),
        )

    @property
    def _left_out(self) -> tuple[str, str]:
        """Of which part how many windows are left out: for what was not known at their moment, and for lines."""
        series, ours = self.windows.train.series, self.experiment
        if series.places is None and series.drawn is None:
            return "", ""
        cadence = ours.readings.cadence
        every = self.rows.map(lambda part: len(window_starts(series.times, part, cadence, ours.window)[0]))
        measured = self.rows.map(lambda part: len(make_windows(series, part, cadence, ours.window, unknown=True)))
        return _fewer(measured, self.windows.map(len)), _fewer(every, measured)

    def example(self, steps: int) -> pd.DataFrame:
        """The newest readings of so many steps as they came: what a user of the product gives it.

        Where it reads known columns, those behind the moment of the newest forecast are as rows to come are.
        """
        readings, times, test = self.experiment.readings, self.times, self.windows.test
        newest = int(test.newest_row[-1]) if readings.known else len(times) - 1
        last = int(test.target_rows[-1, -1]) if readings.known else newest
        rows = self.fetched.raw_rows(times[max(newest + 1 - steps, 0)], times[last])
        if readings.known:
            later = rows.index.isin(self.fetched.raw_rows(times[newest + 1], times[last]).index)
            rows = rows.assign(**{name: rows[name].astype(object).mask(later, None) for name in readings.past})
        if readings.timestamp not in rows:
            rows = rows.rename_axis(readings.timestamp).reset_index()
        return rows[list(readings.cells)].reset_index(drop=True)

    def forecaster(self, network: keras.Model, intervals: Intervals | None = None) -> Forecaster:
        """The product that a trained network becomes, and the intervals around its forecasts."""
        ours, habits = self.experiment, self.fetched.cleaned.habits
        return Forecaster(ours.readings, ours.window, self.scaler, ours.model, network, habits, intervals)

    def changed(self, experiment: Experiment) -> Prepared:
        """The same rows of the same readings, made fit for another experiment."""
        ours = self.experiment
        if (experiment.scale, experiment.window) == (ours.scale, ours.window):
            return replace(self, experiment=experiment)
        return replace(self, experiment=experiment).altered(self.fetched.frame)

    @property
    def in_evidence(self) -> dict[str, Any]:
        """What the proof that nothing leaked takes."""

        def prepare_again(frame: pd.DataFrame, revisions: Revisions | None = None) -> tuple[Scaler, Split[Windows]]:
            again = self.altered(frame, revisions)
            return again.scaler, again.windows

        return {
            "frame": self.fetched.frame,
            "rows": self.rows,
            "scaler": self.scaler,
            "windows": self.windows,
            "known": self.experiment.readings.known,
            "revisions": self.fetched.cleaned.revisions,
            "prepare": prepare_again,
        }

    def over(self, rows: Split[range]) -> Prepared:
        """Other rows of the same readings.

        Raises:
            InputError: a part is too short for a window, or not whole enough to learn from.
        """
        readings = self.experiment.readings
        check_parts(self.fetched.frame, rows, readings)
        again = replace(self, rows=rows).altered(self.fetched.frame)
        require_forecasts(len(again.windows.validation), self.experiment.intervals)
        return again

    def altered(self, frame: pd.DataFrame, revisions: Revisions | None = None) -> Prepared:
        """The same rows of another clean frame, scaled and windowed anew, with other `revisions` if they are given."""
        experiment, cleaned = self.experiment, self.fetched.cleaned
        revisions = cleaned.revisions if revisions is None else revisions
        scaler = scale(frame, self.rows, experiment.readings, experiment.scale)
        windows = window(
            frame,
            self.rows,
            experiment.readings,
            scaler,
            experiment.window,
            revisions=revisions,
            drawn=cleaned.drawn,
        )
        fetched = replace(self.fetched, cleaned=replace(cleaned, frame=frame, revisions=revisions))
        return replace(self, fetched=fetched, scaler=scaler, windows=windows)


def prepare(experiment: Experiment) -> Prepared:
    """Download, validate, split, scale and window.

    Raises:
        InputError: the data cannot be had or cannot be used.
    """
    return watched(divide(experiment, fetch(experiment)))


def fetch(experiment: Experiment) -> Fetched:
    """Download and validate.

    Raises:
        InputError: the data cannot be had or cannot be used.
    """
    with stage("reading the data"):
        raw = download_task(experiment.data, experiment.file)
        for words in raw.evidence:
            log.warning("%s", words)
        return read(raw, experiment)


def read(raw: Raw, experiment: Experiment) -> Fetched:
    """Validate the readings that an experiment makes of what came.

    Raises:
        InputError: they cannot be used.
    """
    readings, found = settle(raw.frame, with_signs(experiment.readings, raw.dialect))
    ours = raw.source != "file"
    settled, unit = settle_unit(readings, raw.units, by="its source" if ours else "the row under the heading")
    new = unit is not None and not (ours and settled.unit != readings.unit)  # not what everybody knows of the house
    for words in (*found, *([unit] if new else [])):
        log.warning("%s", words)
    cleaned = validate_task(raw.frame, settled, window_rows=experiment.window.least_rows, uci=ours)
    days, times = experiment.window.seasons(settled.cadence).days, cleaned.frame.index
    if days > (reached := (times[-1] - times[0]).days):
        log.warning("%s", _beyond(days, reached))
    lags = experiment.window.seasons(settled.cadence).lags
    if beside := [days for days in lags if pd.Timedelta(days=days) % settled.cadence]:
        log.warning("%s", _beside_the_steps(beside, settled))
    return Fetched(raw, settled, cleaned)


def _beyond(days: int, reached: int) -> str:
    return (
        f"the same times before (window.seasonal_lags, window.seasonal_means) lie up to {days} days back, the readings "
        f"reach {reached}: nothing is learnt of them, and no forecast can be made before there are {days} days of "
        f"readings; ask for fewer"
    )


def _beside_the_steps(days: list[int], readings: ReadingsConfig) -> str:
    return (
        f"no reading lies at the time of another one {', '.join(map(str, days))} days before, as steps of "
        f"{readings.cadence_minutes} minutes do not divide that: nothing is learnt of these window.seasonal_lags; take "
        "a readings.cadence_minutes that divides a day"
    )


def with_signs(readings: ReadingsConfig, dialect: Dialect) -> ReadingsConfig:
    """`readings` with the signs of numbers that a file was found to have, for cells that stay text."""
    return readings.model_copy(
        update={"decimal": dialect.decimal or readings.decimal, "thousands": dialect.thousands or readings.thousands}
    )


def divide(experiment: Experiment, fetched: Fetched) -> Prepared:
    """Split, scale and window what was fetched.

    Raises:
        InputError: a part of the data would be empty or too short for a window.
    """
    experiment = experiment.model_copy(update={"readings": fetched.readings})
    frame = fetched.frame
    rows = split_task(frame, experiment.split)
    check_parts(frame, rows, experiment.readings)
    scaler = scale_task(frame, rows, experiment.readings, experiment.scale)
    cleaned = fetched.cleaned
    windows = window_task(
        frame,
        rows,
        experiment.readings,
        scaler,
        experiment.window,
        revisions=cleaned.revisions,
        drawn=cleaned.drawn,
    )
    require_forecasts(len(windows.validation), experiment.intervals)
    return Prepared(_located(experiment, fetched.raw), fetched, rows, scaler, windows)


def watched(prepared: Prepared) -> Prepared:
    """The same with what looks like a leak in its readings, which is logged.

    Raises:
        InputError: there is some, and `split.leakage` calls that an error.
    """
    experiment = prepared.experiment
    found = watch_task(prepared.frame, prepared.rows, prepared.windows.train, experiment.readings, experiment.split)
    return replace(prepared, suspicions=found)


def _fewer(every: Split[int], kept: Split[int]) -> str:
    """In which part how many fewer are kept, where it is not all of them."""
    lost = {name: count - left for (name, count), (_, left) in zip(every.items(), kept.items(), strict=True)}
    return ", ".join(f"{name} {count:,}" for name, count in lost.items() if count)


def _located(experiment: Experiment, raw: Raw) -> Experiment:
    """The experiment with its data named so that its configuration gives the same data again, from anywhere.

    The signs of its numbers are named, too: a short file to forecast from may leave in doubt what a long one shows.
    """
    found = str(Path(raw.origin).expanduser().resolve()) if raw.source == "file" else raw.source
    signs = {name: sign for name in ("decimal", "thousands") if (sign := getattr(raw.dialect, name)) is not None}
    return experiment.model_copy(update={"data": found, "file": experiment.file.model_copy(update=signs)})
