"""One live line on the terminal while a network trains; nothing where there is no terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.fit import Epoch

_PHASES = {"select": "training", "refit": "refitting"}


@contextmanager
def live_epochs(epochs: int) -> Iterator[Callable[[Epoch], None]]:
    """A listener that shows epoch, loss, validation RMSE, learning rate and the time that `epochs` more would take."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        line = progress.add_task(_PHASES["select"], total=epochs, state="compiling")
        refit, best, best_loss = None, epochs, math.inf

        def show(epoch: Epoch) -> None:
            nonlocal line, refit, best, best_loss
            if epoch.val_loss is not None and epoch.val_loss < best_loss:
                best, best_loss = epoch.number, epoch.val_loss
            if epoch.phase == "refit" and refit is None:
                progress.update(line, total=progress.tasks[line].completed)
                line = refit = progress.add_task(_PHASES["refit"], total=best, state="")
            progress.update(line, completed=epoch.number, state=describe(epoch))

        yield show


def describe(epoch: Epoch) -> str:
    """One epoch in words: `loss 0.3921  validation 63.9 Wh  rate 0.002`."""
    validation = "" if epoch.val_rmse is None else f"  validation {epoch.val_rmse:.1f} Wh"
    return f"loss {epoch.train_loss:.4f}{validation}  rate {epoch.learning_rate:.3g}"
