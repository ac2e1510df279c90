"""Settings and configuration files, sound at first and then odd in name or value."""

from __future__ import annotations

from random import Random

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.flows.experiment.offered import preset_names

_NAMES = tuple(read_experiment(preset="seed-l2").flat(unset=True))
_VALUES = (
    *(
        "0",
        "1",
        "-1",
        "3",
        "0.5",
        "1.5",
        "true",
        "false",
        "nan",
        "-inf",
        "1e400",
        "2147483648",
        "9" * 400,
        "9" * 9000,
        "''",
    ),
    *(
        "[]",
        "[1]",
        "[true]",
        "[[1]]",
        "{}",
        "{a=1}",
        "[{units=4}]",
        "[{units=true}]",
        "[{units=4, x=1}]",
        "'x'",
        "x",
        '"',
        "'",
    ),
    *(
        "2016-01-01",
        "2016-01-01 17:00",
        "2016-01-01T17:00:00Z",
        "12:00",
        "1\nx=2",
        "1 # two",
        "[" * 300,
        "[" * 9999,
        "\0",
        "é",
    ),
    *(
        '["Appliances"]',
        '["T1", "T1"]',
        '["date"]',
        "made_at",
        "Europe/London",
        "Nowhere",
        "kWh",
        "W",
        "<b>",
        "0x7f",
        "1_0",
        "07",
    ),
    *(
        "x" * 9000,
        "{ low = 1, high = 2 }",
        "{ low = true, high = 2 }",
        "{ choices = [1, true] }",
        "1970-01-01",
        "\u202e",
        "%d",
    ),
)
_SOUND = ("1", "2", "0.5", "true", "false", "[{units = 4}]", "'segment'", "36")
_PARTS = ("", "0", "00", "-1", "7", "units", "x", " ", "1e3", "\u0660", "é", "__class__", "layers", "*", "k" * 9000)


def given(random: Random) -> tuple[str, list[str], str]:
    """A preset, settings, and the text of a configuration file."""
    preset = random.choice((*preset_names(), *preset_names(), "x"))
    settings = [_setting(random) for _ in range(random.choice((1, 1, 1, 2, 5)))]
    return preset, settings, _toml(random) if random.random() < 0.3 else ""


def _setting(random: Random) -> str:
    form = "{}={}" if random.random() < 0.9 else random.choice(("{} = {}", "{}", "={1}", "{}=={}"))
    return form.format(_name(random), _value(random))


def _value(random: Random) -> str:
    return random.choice(_VALUES if random.random() < 0.7 else _SOUND)


def _name(random: Random) -> str:
    parts = random.choice(_NAMES).split(".")
    for _ in range(random.choice((0, 0, 0, 0, 0, 1, 2))):
        at = random.randrange(len(parts) + 1)
        parts[at : at + random.choice((0, 1))] = [random.choice(_PARTS)]
    return ".".join(parts)


def _toml(random: Random) -> str:
    lines = [f"{_name(random)} = {_value(random)}" for _ in range(random.choice((1, 2, 8)))]
    text = "\n".join(lines)
    at = random.randrange(len(text) + 1)
    return random.choice(
        (text, text, text[:at], text[:at] + random.choice(("[", "]", '"', "\n", "=", "\0")) + text[at:])
    )
