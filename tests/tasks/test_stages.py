"""A line a stage: when it is said, to whom, and what stands on a terminal meanwhile."""

from __future__ import annotations

import logging
import re
import time
from io import StringIO

import pytest
from rich.console import Console

from wattcast.tasks import stages
from wattcast.tasks.stages import is_quiet, say, stage


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "wattcast")
    return caplog


def show_on(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> StringIO:
    screen = StringIO()
    monkeypatch.setattr(stages, "screen", Console(file=screen, force_terminal=terminal, width=80))
    return screen


def test_a_stage_is_told_with_its_seconds_when_it_is_done(told: pytest.LogCaptureFixture) -> None:
    with stage("reading [the] data"):
        assert told.messages == []
    (message,) = told.messages
    assert re.fullmatch(r"reading \[the\] data: 0\.\d s", message)


def test_a_stage_that_fails_leaves_the_word_to_the_fault(told: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), stage("reading the data"):
        raise KeyError
    assert told.messages == []


def test_a_long_wait_is_announced(told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_LONG_S", 0.01)
    show_on(monkeypatch, terminal=False)
    with stage("saving the model"):
        time.sleep(0.1)
        assert told.messages == ["saving the model ..."]
    assert not hasattr(told.records[0], "not_on_screen")
    assert told.messages[-1].startswith("saving the model: 0.1")


@pytest.mark.parametrize(("spins", "shown"), [(True, True), (False, False)])
def test_a_line_spins_on_a_terminal_unless_the_stage_shows_its_own(
    told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, spins: bool, shown: bool
) -> None:
    monkeypatch.setattr(stages, "_LONG_S", 0.01)
    screen = show_on(monkeypatch, terminal=True)
    with stage("judging [it]", spins=spins):
        time.sleep(0.1)
    assert ("judging [it]" in screen.getvalue()) == shown
    kept = ["judging [it] ..."] if not spins else []  # for the log of the run alone
    assert told.messages[:-1] == kept
    assert all(hasattr(record, "not_on_screen") for record in told.records[:-1])


def test_nothing_is_shown_to_whom_wants_warnings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = show_on(monkeypatch, terminal=True)
    ours = logging.getLogger("wattcast")
    assert not is_quiet()
    monkeypatch.setattr(ours, "level", logging.WARNING)
    ours.manager._clear_cache()
    assert is_quiet()
    with stage("reading the data"):
        time.sleep(0.1)
    assert screen.getvalue() == ""


_PATH = "/home/bob/a/folder/that/is/long/report.html"


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        (False, f"error: load [kWh] of [/x] in {_PATH} cannot be read,  it seems\n  - missing\n"),
        (True, f"error: load [kWh] of [/x] in\n{_PATH}\ncannot be read,  it seems\n  - missing\n"),
    ],
)
def test_no_word_of_a_sentence_is_broken_and_nothing_in_it_is_markup(*, terminal: bool, said: str) -> None:
    """A path that is longer than a line stays whole, so that it can be copied."""
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal, width=32)
    say(console, ("error:", "bold red"), f" load [kWh] of [/x] in {_PATH} cannot be read,  it seems\n  - missing")
    assert re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()) == said


def test_a_sentence_is_measured_in_the_cells_of_a_terminal() -> None:
    screen = StringIO()
    say(Console(file=screen, force_terminal=True, width=10), "電力 電力 電力")
    assert screen.getvalue() == "電力 電力\n電力\n"
