"""Files as strangers bring them: whatever way they are written, the same clean frame, or a question."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dialects import Moment, workbook

from wattcast.flows.prepare import with_signs
from wattcast.model.clean import OFFSETS_ASKED, Cleaned, clean, settle
from wattcast.model.errors import InputError
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download

ROWS = 31 * 48
TIMES = pd.date_range("2021-03-01", periods=ROWS, freq="30min")
LOAD = (1000 + 400 * np.sin(np.arange(ROWS) / 7) + np.arange(ROWS) % 13).round(2)
CONFIG = ReadingsConfig(timestamp="time", targets=("load",), features=("deg",), cadence_minutes=30)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"time": TIMES, "load": LOAD, "deg": (np.arange(ROWS) % 40 / 4 + 0.25)})


def text(separator: str = ",", form: str = "%Y-%m-%d %H:%M", decimal: str = ".", **options: object) -> str:
    table = frame().assign(time=TIMES.strftime(form))
    return table.to_csv(index=False, sep=separator, decimal=decimal, lineterminator="\n", **options)


def read(path: Path, config: ReadingsConfig = CONFIG, dialect: Dialect = Dialect()) -> Cleaned:  # noqa: B008
    """As a training reads it."""
    raw = download(str(path), dialect)
    readings, _ = settle(raw.frame, with_signs(config, raw.dialect))
    return clean(raw.frame, readings)


def zipped(content: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("export/meter.csv", content)
        archive.writestr("readme.txt", "about this meter")
    return memory.getvalue()


def blocks(content: str) -> str:
    head, *rows = content.splitlines()
    return "\n".join([head, *rows[700:], *rows[:700], ""])


SHAPES: dict[str, tuple[str, bytes]] = {
    "plain": ("a.csv", text().encode()),
    "german": ("b.csv", text(";", "%d.%m.%Y %H:%M", ",").encode("cp1252")),
    "american": ("c.csv", text(",", "%m/%d/%Y %I:%M %p").encode()),
    "tabs": ("d.txt", text("\t").encode()),
    "bars": ("e.txt", text("|").encode()),
    "excel's text": ("f.csv", ("\ufeff" + text("\t")).encode("utf-16")),
    "quoted": ("g.csv", text(quoting=1).encode()),
    "lines above": ("h.csv", f"Meter 4711\nexported by the utility\n\n{text()}".encode()),
    "units": ("i.csv", text().replace("time,load,deg\n", "time,load,deg\n,Wh,°C\n").encode()),
    "total": ("j.csv", f"{text()}Total,{LOAD.sum():.2f},\n".encode()),
    "gzip": ("k.csv.gz", gzip.compress(text().encode())),
    "zip": ("l.zip", zipped(text().encode())),
    "newest first": ("m.csv", "\n".join([*text().splitlines()[:1], *text().splitlines()[:0:-1], ""]).encode()),
    "blocks": ("n.csv", blocks(text()).encode()),
    "seconds of jitter": ("o.csv", text().replace("03-09 07:30", "03-09 07:30:04").encode()),
    "a row twice": ("p.csv", f"{text()}{text().splitlines()[-1]}\n".encode()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_way_of_writing_gives_the_same_frame(shape: str, tmp_path: Path) -> None:
    name, content = SHAPES[shape]
    (tmp_path / name).write_bytes(content)
    cleaned = read(tmp_path / name)
    assert cleaned.faults == ()
    expected = frame().set_index("time").astype(float)
    pd.testing.assert_frame_equal(cleaned.frame, expected, check_freq=False, check_index_type=False)


def stamped(cells: Iterable[object], **more: object) -> pd.DataFrame:
    return frame().assign(time=list(cells), **more)


def ends(form: str) -> list[str]:
    """The end of each half-hour, midnight as 24:00 of the day that it ends."""
    later = TIMES + pd.Timedelta(minutes=30)
    return [
        f"{start:{form}} 24:00" if end.hour == end.minute == 0 else f"{end:{form} %H:%M}"
        for start, end in zip(TIMES, later, strict=True)
    ]


LOCAL = pd.date_range("2021-03-01", periods=ROWS, freq="30min", tz="Europe/London")  # put forward in that month

AUTUMN = pd.date_range("2021-10-15", periods=ROWS, freq="30min", tz="Europe/London")  # put back in that month
HALF, ZERO, PUT_BACK = pd.Timedelta(minutes=30), pd.Timedelta(0), pd.Timestamp("2021-10-31").date()
SEASONS = (" (CET)", " (CEST)")

STAMPS: dict[str, tuple[pd.DataFrame, dict[str, object], pd.DatetimeIndex]] = {
    "twelve hours": (stamped(TIMES.strftime("%m/%d/%Y %I:%M %p")), {}, TIMES),
    "twelve hours without a blank": (stamped(TIMES.strftime("%m/%d/%Y %I:%M%p").str.lower()), {}, TIMES),
    "midnights without a time": (stamped(TIMES.strftime("%d.%m.%Y %H:%M").str.replace(" 00:00", "")), {}, TIMES),
    "seconds since 1970": (stamped(TIMES.as_unit("s").asi8), {"time_format": "s"}, TIMES),
    "milliseconds since 1970": (stamped(TIMES.as_unit("ms").asi8), {"time_format": "ms"}, TIMES),
    "ends of steps": (stamped(ends("%Y-%m-%d")), {"label": "end"}, TIMES + pd.Timedelta(minutes=30)),
    "ends of steps, day first": (stamped(ends("%d.%m.%Y")), {"label": "end"}, TIMES + pd.Timedelta(minutes=30)),
    "intervals": (
        stamped(f"{time:%d.%m.%Y %H:%M} - {time + pd.Timedelta(minutes=30):%d.%m.%Y %H:%M}" for time in TIMES),
        {},
        TIMES,
    ),
    "intervals within a day": (
        stamped(f"{time:%Y-%m-%d %H:%M}-{time + pd.Timedelta(minutes=30):%H:%M}" for time in TIMES),
        {},
        TIMES,
    ),
    "date and time": (stamped(TIMES.strftime("%d/%m/%Y"), clock=TIMES.strftime("%H:%M")), {}, TIMES),
    "date and time with am and pm": (stamped(TIMES.strftime("%m/%d/%Y"), clock=TIMES.strftime("%I:%M %p")), {}, TIMES),
    "local stamps": (stamped(LOCAL.strftime("%d/%m/%Y %H:%M")), {"timezone": "Europe/London"}, LOCAL),
    "local stamps, newest first": (
        stamped(LOCAL.strftime("%d/%m/%Y %H:%M")).iloc[::-1],
        {"timezone": "Europe/London"},
        LOCAL,
    ),
    "intervals on a local clock that is put back": (
        stamped(f"{time:%d.%m.%Y %H:%M} - {time + HALF:%d.%m.%Y %H:%M}" for time in AUTUMN),
        {"timezone": "Europe/London"},
        AUTUMN,
    ),
    "intervals that name summer and winter time": (
        stamped(
            f"{time:%d/%m/%Y %H:%M:%S}{SEASONS[time.dst() > ZERO] if time.date() == PUT_BACK else ''} - "
            f"{time + HALF:%d/%m/%Y %H:%M:%S}"
            for time in AUTUMN.tz_convert("Europe/Berlin")
        ),
        {"timezone": "Europe/Berlin"},
        AUTUMN.tz_convert("Europe/Berlin"),
    ),
    "UTC": (stamped(LOCAL.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")), {"timezone": "Europe/London"}, LOCAL),
    "offsets": (stamped(f"{time.isoformat()}" for time in LOCAL), {"timezone": "Europe/London"}, LOCAL),
    "seconds since 1970, in a zone": (
        stamped(LOCAL.as_unit("s").asi8),
        {"timezone": "Europe/London", "time_format": "s"},
        LOCAL,
    ),
    "one meter of several": (
        pd.concat([stamped(TIMES.astype(str), who=name, load=LOAD + more) for name, more in (("A", 0), ("B", 7))]),
        {"meter": {"column": "who", "is": "A"}},
        TIMES,
    ),
}


@pytest.mark.parametrize("shape", STAMPS)
def test_each_way_of_saying_when_gives_the_same_moments(shape: str, tmp_path: Path) -> None:
    table, options, times = STAMPS[shape]
    table.to_csv(tmp_path / "a.csv", index=False)
    cleaned = read(tmp_path / "a.csv", ReadingsConfig.model_validate({**CONFIG.model_dump(), **options}))
    assert cleaned.faults == ()
    assert cleaned.frame.index.equals(times.rename("time"))
    assert cleaned.frame["load"].tolist() == LOAD.tolist()


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_dates_and_times_may_be_typed(suffix: str, tmp_path: Path) -> None:
    table = frame().assign(time=TIMES.date, clock=TIMES.time)
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        table.to_parquet(path, index=False)
    else:
        days = (TIMES - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)
        cells = zip(days // 1, days % 1, LOAD.tolist(), table["deg"].tolist(), strict=True)
        rows = [[Moment(float(day)), Moment(float(clock)), load, deg] for day, clock, load, deg in cells]
        path.write_bytes(workbook({"readings": [["time", "clock", "load", "deg"], *rows]}))
    config = CONFIG.model_copy(update={"time_of_day": "clock"})
    cleaned = read(path, config)
    assert cleaned.faults == ()
    assert cleaned.frame.index.equals(TIMES.rename("time"))


@pytest.mark.parametrize("zone", ["Europe/London", "UTC"])
def test_a_zone_in_parquet_is_that_of_the_readings_or_asked(zone: str, tmp_path: Path) -> None:
    stamped(LOCAL.tz_convert(zone)).to_parquet(tmp_path / "a.parquet", index=False)
    if zone == "UTC":
        assert read(tmp_path / "a.parquet").faults == (OFFSETS_ASKED,)
        return
    assert read(tmp_path / "a.parquet").frame.index.equals(LOCAL.rename("time"))


@pytest.mark.parametrize("kind", ["parquet", "parquet with an index", "whole numbers in parquet"])
def test_parquet_gives_the_same_frame(kind: str, tmp_path: Path) -> None:
    table = frame()
    if kind == "whole numbers in parquet":
        table["load"] = table["load"].round().astype("Int32")
    (table.set_index("time") if "index" in kind else table).to_parquet(tmp_path / "a.parquet")
    cleaned = read(tmp_path / "a.parquet")
    assert cleaned.faults == ()
    expected = table.set_index("time").astype(float)
    pd.testing.assert_frame_equal(cleaned.frame, expected, check_freq=False, check_index_type=False)


def test_two_columns_of_one_name_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text().replace("time,load,deg", "time,load,load"))
    with pytest.raises(InputError, match="2 columns are named 'load'"):
        read(tmp_path / "a.csv")


def test_numbers_that_can_be_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    rows = [f"{time:%Y-%m-%d %H:%M};1,{200 + number % 700};2" for number, time in enumerate(TIMES)]
    (tmp_path / "a.csv").write_text("\n".join(["time;load;deg", *rows, ""]))
    with pytest.raises(InputError, match=r"can be read in two ways: .* say file.decimal"):
        read(tmp_path / "a.csv")
    told = read(tmp_path / "a.csv", dialect=Dialect(decimal=","))
    assert told.frame["load"].iloc[0] == 1.2


@pytest.mark.parametrize(
    "mark", ["", "nan", "?", "null", "n/e", "-", "unavailable", "#N/A", "---", "No Data", "#DIV/0!"]
)
def test_empty_cells_are_missing_readings(mark: str, tmp_path: Path) -> None:
    lines = text().splitlines()
    for row in (100, 101, 500):
        lines[row + 1] = f"{TIMES[row]:%Y-%m-%d %H:%M},{mark},1.5"
    (tmp_path / "a.csv").write_text("\n".join([*lines, ""]))
    cleaned = read(tmp_path / "a.csv")
    assert (len(cleaned.frame), cleaned.faults) == (ROWS - 3, ())
    assert "3 of 1,488 rows lack a reading" in cleaned.notes[0]


def test_a_counter_of_minutes_becomes_the_energy_of_half_hours(tmp_path: Path) -> None:
    minutes = pd.date_range("2021-03-01", periods=3000, freq="1min")
    used = np.full(3000, 2.0)
    counter = 4_812_376 + np.cumsum(used)
    table = pd.DataFrame({"time": minutes.strftime("%Y-%m-%d %H:%M"), "load": counter, "deg": 1.0})
    table.to_csv(tmp_path / "a.csv", index=False)
    cleaned = read(tmp_path / "a.csv", CONFIG.model_copy(update={"kind": "counter"}))
    assert cleaned.frame["load"].iloc[:99].tolist() == [60.0] * 99
