"""A line a stage: when it is said, to whom, and what stands on a terminal meanwhile."""

from __future__ import annotations

import logging
import re
import time
from io import StringIO

import pytest
from rich.console import Console

from wattcast.tasks import stages
from wattcast.tasks.stages import is_quiet, stage


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
