"""The draft that an inspection writes: what a training reads of it is the truth, or a question that it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dialects import NUMERALS, SEPARATORS, Writer, cells_of, write_dialect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattcast.flows.experiment.experiment import Experiment, read_experiment, read_told
from wattcast.model.clean import clean, settle
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download
from wattcast.tasks.inspection.draft import draft
from wattcast.tasks.inspection.inspect import inspect

LOAD = np.random.default_rng(0).gamma(4, 80, 24 * 40).round(2)


def drafted(path: Path, folder: Path) -> Path:
    """The draft for a file."""
    made = folder / "draft.toml"
    made.write_text(draft(inspect(path).found), encoding="utf-8")
    return made


def meter(folder: Path, heading: str = "Zeit;Verbrauch [kWh]", form: str = "%d.%m.%Y %H:%M", rows: int = 960) -> Path:
    times = pd.date_range("2021-03-01", periods=rows, freq="h").strftime(form)
    path = folder / "meter.csv"
    path.write_text(
        "\n".join([heading, *(f"{time};{value:.2f}" for time, value in zip(times, LOAD, strict=False))]) + "\n"
    )
    return path


def test_a_draft_without_questions_is_an_experiment_of_the_options_found(tmp_path: Path) -> None:
    path = meter(tmp_path)
    experiment = read_experiment(config=drafted(path, tmp_path))
    assert experiment.data == str(path)
    assert experiment.file == Dialect(
        encoding="utf-8",
        separator=";",
        decimal=".",
        thousands="",
        quote='"',
        skip_lines=0,
        heading=True,
        units=False,
        drop_rows=0,
    )
    assert experiment.readings == ReadingsConfig(
        timestamp="Zeit",
        time_format="%d.%m.%Y %H:%M",
        cadence_minutes=60,
        targets=("Verbrauch [kWh]",),
        kind="energy",
        unit="kWh",
        label="start",
        signed=False,
        features=(),
        time="calendar",
    )


def test_what_is_said_of_what_is_known_ahead_is_kept_and_no_target_or_feature(tmp_path: Path) -> None:
    """Nothing in a file tells it."""
    path = meter(tmp_path, "Zeit;Verbrauch [kWh];Preis")
    rows = path.read_text(encoding="utf-8").splitlines()
    priced = [rows[0], *(f"{row};{0.1 + place % 3}" for place, row in enumerate(rows[1:]))]
    path.write_text("\n".join(priced) + "\n", encoding="utf-8")
    assert "known" not in draft(inspect(path).found)
    said = ReadingsConfig.model_validate({"known": ["Preis"], "holidays": "DE-BY"})
    text = draft(inspect(path, readings=said).found)
    assert 'known = ["Preis"]  # given' in text
    assert 'holidays = "DE-BY"  # given' in text
    made = tmp_path / "draft.toml"
    made.write_text(text, encoding="utf-8")
    readings = read_experiment(config=made).readings
    assert (readings.targets, readings.features, readings.known) == (("Verbrauch [kWh]",), (), ("Preis",))
    assert readings.holidays == "DE-BY"


def test_a_file_is_read_by_its_draft_as_it_was_inspected(tmp_path: Path) -> None:
    experiment = read_experiment(config=drafted(meter(tmp_path), tmp_path))
    raw = download(experiment.data, experiment.file)
    cleaned = clean(raw.frame, settle(raw.frame, experiment.readings)[0])
    assert (cleaned.faults, cleaned.notes) == ((), ())
    assert cleaned.frame["Verbrauch [kWh]"].tolist() == LOAD.tolist()


def test_each_line_says_who_says_so(tmp_path: Path) -> None:
    text = draft(inspect(meter(tmp_path, "Zeit;load")).found)
    lines = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    assert len(lines) > 15
    assert [
        line for line in lines if not any(f"  # {basis}" in line for basis in ("given", "found", "guessed", "asked"))
    ] == []
    assert 'label = "start"  # found: the first day begins with 00:00, the last one ends with 23:00' in lines
    assert "# timezone is not set, found: the clock runs through 28 March 2021" in text


def test_a_draft_with_questions_is_refused_with_all_of_them(tmp_path: Path) -> None:
    path = drafted(meter(tmp_path, "Zeit;load", rows=24 * 12), tmp_path)
    with pytest.raises(InputError) as refused:
        read_experiment(config=path)
    first, *listed = str(refused.value).splitlines()
    assert first == f"{path} asks what is not answered yet: put each answer in the place of its question"
    assert [line.partition(":")[0] for line in listed] == ["  - readings.time_format", "  - readings.unit"]
    assert "1 March 2021 or 3 January 2021" in listed[0]
    answers = ["readings.time_format=%d.%m.%Y %H:%M", "readings.unit=Wh"]
    assert read_experiment(config=path, settings=answers).readings.unit == "Wh"
    with pytest.raises(InputError, match=r"  - readings\.unit: which unit"):
        read_experiment(config=path, settings=answers[:1])
    half = read_told(config=path, settings=answers[:1])
    again = inspect(tmp_path / "meter.csv", half.file, half.readings).found
    assert [each.option for each in again.questions] == ["readings.unit"]


def test_whoever_makes_an_experiment_of_questions_is_asked(tmp_path: Path) -> None:
    """As Prefect does with what is typed into its form."""
    asked: Any = {"readings": {"targets": "? 'a' or 'b'"}, "data": "? which"}
    with pytest.raises(ValueError, match="the experiment asks what is not answered yet") as refused:
        Experiment.model_validate(asked)
    assert "readings.targets: 'a' or 'b'" in str(refused.value)
    assert "data: which" in str(refused.value)


def test_a_setting_of_another_table_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"only file\.\* and readings\.\* say how a file is read, received 'fit\.seed=1'"
    ):
        read_told(settings=["fit.seed=1"])
    with pytest.raises(InputError, match="did you mean 'separator'"):
        read_told(settings=["file.seperator=;"])


HOSTILE = [
    "load [kWh/h]",
    "<b>kWh</b>",
    'a "quoted" # one',
    "tab\there",
    "[bold]x[/bold]",
    "{{ 7 }}",
    "Wärme %",
    "back\\slash",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_columns_are_named_as_they_are_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "meter.parquet"
    times = pd.date_range("2021-03-01", periods=len(LOAD), freq="h")
    pd.DataFrame({f"time {name}": times, name: LOAD, "T_out": LOAD[::-1]}).to_parquet(path, index=False)
    told = tomllib.loads(drafted(path, tmp_path).read_text(encoding="utf-8"))
    assert told["readings"]["timestamp"] == f"time {name}"
    assert told["readings"]["targets"] == [name]


def test_a_column_that_looks_like_a_question_is_to_be_renamed(tmp_path: Path) -> None:
    path = meter(tmp_path, "?when;kWh")
    with pytest.raises(
        InputError, match=r"readings\.timestamp: '\?when' begins with the mark of a question: rename it"
    ):
        read_experiment(config=drafted(path, tmp_path))


def test_a_file_of_several_meters_asks_which_and_takes_the_answer(tmp_path: Path) -> None:
    times = pd.date_range("2021-03-01", periods=480, freq="h").strftime("%Y-%m-%d %H:%M").to_list()
    frame = pd.DataFrame({"id": ["a"] * 480 + ["b"] * 480, "time": times * 2, "kWh": LOAD})
    path = tmp_path / "long.csv"
    frame.to_csv(path, index=False)
    asked = drafted(path, tmp_path)
    with pytest.raises(InputError, match=r"readings\.meter: which meter\? Column 'id' names 2: 'a', 'b'"):
        read_experiment(config=asked)
    lines = asked.read_text(encoding="utf-8").splitlines()
    asked.write_text(
        "\n".join('meter = { column = "id", is = "b" }' if line.startswith("meter") else line for line in lines)
    )
    experiment = read_experiment(config=asked)
    assert experiment.readings.meter is not None
    assert experiment.readings.meter.model_dump() == {"column": "id", "is": "b"}


FORMS = ("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%y %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
UNITS = {"kWh": ("kWh", "energy"), "load [Wh]": ("Wh", "energy"), "Leistung (kW)": ("kW", "power")}
HEADINGS = [*UNITS, "load", "Zählerstand"]


WRITERS = st.builds(
    lambda separator, numerals, encoding, before: Writer(separator, *numerals, encoding=encoding, before=before),
    st.sampled_from(SEPARATORS),
    st.sampled_from(NUMERALS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([(), ("Export of a meter",)]),
)
STARTS = st.datetimes(pd.Timestamp("2000-01-01").to_pydatetime(), pd.Timestamp("2030-01-01").to_pydatetime())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    WRITERS,
    st.tuples(st.sampled_from(FORMS), st.sampled_from([5, 15, 30, 60]), STARTS, st.integers(30, 400)),
    st.sampled_from(HEADINGS),
)
def test_what_a_draft_says_is_the_truth_or_a_question(tmp_path: Path, writer: Writer, clock: Any, heading: str) -> None:
    form, minutes, start, rows = clock
    times = pd.date_range(pd.Timestamp(start).floor("h"), periods=rows, freq=f"{minutes}min")
    values = LOAD[:rows] * 10
    is_counter = heading == "Zählerstand"
    numbers = (np.cumsum(values) + 12_345 if is_counter else values).round(2).tolist()
    cells = cells_of(writer, times.strftime(form).to_list(), [numbers], 2)
    path = tmp_path / "meter.csv"
    path.write_bytes(write_dialect(writer, ["time", heading], cells))
    try:
        found = inspect(path).found
    except InputError as question:  # the dialect itself is one: asked by its option
        assert "file." in str(question)  # noqa: PT017
        return
    truth = {
        "file.separator": writer.separator,
        "readings.timestamp": "time",
        "readings.time_format": None if form.startswith("%Y") else form,
        "readings.cadence_minutes": minutes,
        "readings.targets": [heading],
        "readings.kind": "counter" if is_counter else UNITS.get(heading, ("", "energy"))[1],
        "readings.signed": False,
        "readings.timezone": None,
    }
    if heading in UNITS:
        truth["readings.unit"] = UNITS[heading][0]
    told = {answer.option: answer for answer in found.answers}
    assert {name: told[name].value for name in truth if not told[name].asked} == {
        name: value for name, value in truth.items() if not told[name].asked
    }
    if told["readings.time_format"].asked or told["readings.kind"].asked:
        return
    column = download(
        str(path),
        Dialect.model_validate({name[5:]: each.value for name, each in told.items() if name.startswith("file.")}),
    )
    assert column.frame[heading].tolist() == pytest.approx(numbers)
