"""The line on the terminal: what it says, and that there is none without a terminal."""

from __future__ import annotations

import dataclasses
from io import StringIO

import pytest
from rich.console import Console

from model.fit import Epoch
from tasks import progress

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


def test_an_epoch_in_words() -> None:
    assert progress.describe(EPOCH) == "loss 0.3922  validation 63.9 Wh  rate 0.002"
    assert progress.describe(REFIT) == "loss 0.3922  rate 0.002"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_line_is_live_on_a_terminal_and_absent_elsewhere(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120)
    monkeypatch.setattr(progress, "Console", lambda **options: console)
    with progress.live_epochs(10) as show:
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
