"""The line on the terminal: what it says, and that a plain one now and then stands for it without a terminal."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from io import StringIO

import pytest
from rich.console import Console

from wattcast.model.fit import Epoch
from wattcast.tasks import progress, stages

EPOCH = Epoch(
    phase="select",
    number=3,
    step=300,
    learning_rate=0.002,
    train_loss=0.39216,
    train_mse=0.39,
    train_penalty=0.0,
    train_rmse=64.2,
    seconds=1.5,
    val_loss=0.36,
    val_mse=0.36,
    val_rmse=63.94,
)
REFIT = dataclasses.replace(EPOCH, phase="refit", number=1, val_loss=None, val_mse=None, val_rmse=None)


def show_on(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (progress, stages):
        monkeypatch.setattr(module, "screen", console)


def test_an_epoch_in_words() -> None:
    assert progress.describe(EPOCH, "Wh") == "loss 0.3922  validation 63.9 Wh  rate 0.002"
    assert progress.describe(REFIT, "Wh") == "loss 0.3922  rate 0.002"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_line_is_live_on_a_terminal_and_absent_elsewhere(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    screen = StringIO()
    show_on(Console(file=screen, force_terminal=terminal, width=120), monkeypatch)
    with progress.live_epochs(10, unit="Wh") as show:
        show(dataclasses.replace(EPOCH, number=1, val_loss=0.4))
        show(dataclasses.replace(EPOCH, number=2))
        show(dataclasses.replace(EPOCH, val_loss=0.5))
        show(REFIT)
    text = screen.getvalue()
    assert ("validation 63.9 Wh" in text) == terminal
    assert ("refitting" in text) == terminal
    assert ("3/3" in text) == terminal
    assert ("1/2" in text) == terminal  # the refit has as many epochs as the best one's number
    assert terminal or text == ""
    assert " of " not in text


@pytest.mark.parametrize(("terminal", "shown"), [(True, False), (False, True)])
def test_an_epoch_is_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, terminal: bool, shown: bool
) -> None:
    """A command that has live lines leaves the plain ones to the log of its flow run."""
    show_on(Console(file=StringIO(), force_terminal=terminal), monkeypatch)
    caplog.set_level(logging.INFO, "wattcast")
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    with progress.live_epochs(10, 2, unit="Wh") as show:
        for number, seconds in ((1, 0.0), (2, 9.9), (3, 0.2)):
            now[0] += seconds
            show(at(2, number, val_loss=0.4))
    assert caplog.messages == [
        f"training 2 of 2, epoch {number}: loss 0.3922  validation 63.9 Wh  rate 0.002" for number in (1, 3)
    ]
    assert all(hasattr(record, "not_on_screen") != shown for record in caplog.records)


def test_steps_are_told_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    show_on(Console(file=StringIO()), monkeypatch)
    caplog.set_level(logging.INFO, "wattcast")
    with progress.live_steps("verdict", 10) as done:
        done()
        done()
    assert caplog.messages == ["verdict: 1 of 10"]


def test_each_network_of_several_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their epochs come in any order, and the refit of one as soon as it has chosen."""
    text = screen_after(
        monkeypatch,
        [
            at(1, 1, val_loss=0.5),
            at(2, 1, val_loss=0.4),
            at(2, 2, val_loss=0.6),
            at(1, 2, val_loss=0.4),
            at(2, 3, val_loss=0.5),
            dataclasses.replace(REFIT, member=2),
            at(1, 3, val_loss=0.3),
            at(1, 4, val_loss=0.6),
            dataclasses.replace(REFIT, member=1),
        ],
    )
    assert text == {
        "training 1 of 2": "4/4",
        "training 2 of 2": "3/3",
        "refitting 2 of 2": "1/1",
        "refitting 1 of 2": "1/3",
    }


def test_a_refit_that_goes_on_after_a_kill_is_shown_though_its_choice_was_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = screen_after(monkeypatch, [dataclasses.replace(REFIT, member=2, number=3)])
    assert text["refitting 2 of 2"] == "3/10"


def at(member: int, number: int, *, val_loss: float) -> Epoch:
    return dataclasses.replace(EPOCH, member=member, number=number, val_loss=val_loss)


def screen_after(monkeypatch: pytest.MonkeyPatch, epochs: list[Epoch]) -> dict[str, str]:
    """What stands on each line in the end: its name and how many epochs of how many."""
    screen = StringIO()
    show_on(Console(file=screen, force_terminal=True, width=120), monkeypatch)
    with progress.live_epochs(10, 2, unit="Wh") as show:
        for epoch in epochs:
            show(epoch)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.getvalue())
    return dict(re.findall(r"(\w+ \d of \d) .*?(\d+/\d+)", plain))  # of all that was painted over it, the last


@pytest.mark.parametrize(
    ("terminal", "after_s", "shown"), [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)]
)
def test_words_are_painted_on_a_terminal_where_it_takes_longer(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, after_s: float, shown: bool
) -> None:
    screen = StringIO()
    show_on(Console(file=screen, force_terminal=terminal, width=120), monkeypatch)
    with progress.live_words(after_s) as say:
        say("reading [the] file")
        time.sleep(0.3)
    assert ("reading [the] file ..." in screen.getvalue()) == shown
    assert shown or screen.getvalue() == ""


def test_words_are_lines_where_there_is_no_terminal_and_it_takes_longer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "wattcast")
    show_on(Console(file=StringIO(), force_terminal=False), monkeypatch)
    with progress.live_words(0.1) as say:
        say("opening")
        say("reading")
        time.sleep(0.3)
        say("drawing")
    with progress.live_words(60) as say:
        say("soon done")
    assert caplog.messages == ["reading ...", "drawing ..."]
