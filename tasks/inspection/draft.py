"""What was found, as a configuration that `wattcast train` takes once its questions are answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import tomli_w

from wattcast.tasks.inspection.answers import ASKED, Answer
from wattcast.tasks.inspection.findings import Inspection

_TABLES = ("file", "readings")
_ORDER = (
    *("timestamp", "time_of_day", "time_format", "timezone", "meter", "cadence_minutes", "label", "targets", "kind"),
    *("unit", "signed", "features", "known", "holidays"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\s]+")


def draft(found: Inspection) -> str:
    """The text of a TOML file; each line says who says so, and each question stands in the place of its answer."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Inspection) -> Iterator[str]:
    yield f"# {_comment(found.what)}."
    yield "# found: read off the file. guessed: likely, to be looked at. A value that begins with"
    yield f'# "{ASKED}" is a question: put the answer in its place, or training is refused.'
    yield ""
    held = {answer.option: answer for answer in found.answers}
    yield _line("data", held["data"])
    for table in _TABLES:
        yield f"\n[{table}]"
        ours = {name.partition(".")[2]: each for name, each in held.items() if name.partition(".")[0] == table}
        order = {name: place for place, name in enumerate(_ORDER)}
        for name in sorted(ours, key=lambda name: order.get(name, len(order))):
            yield _line(name, ours[name])


def _line(name: str, answer: Answer) -> str:
    if answer.asked:
        return f"{name} = {value_toml(_comment(str(answer.written)))}  # asked: to be answered"
    why = f"{answer.basis}: {answer.why}" if answer.why != answer.basis else answer.basis
    if answer.value is None:
        return f"# {name} is not set, {_comment(why)}"
    return f"{name} = {value_toml(answer.value)}  # {_comment(why)}"


def value_toml(value: Any) -> str:
    """One value as TOML writes it, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {value_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_toml, value)) + "]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


def _comment(text: str) -> str:
    """`text` on one line, without what no comment of TOML may hold."""
    return _CONTROL.sub(" ", text).strip()
