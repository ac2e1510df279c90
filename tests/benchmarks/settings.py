"""What is trained in a benchmark: the network's form, the data's size, and one trial's hyperparameters.

N: training windows. T: lookback. F: input columns. U: units of a layer. K: targets.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattcast.tasks.data.uci import UCI_COLUMNS

INPUTS, TARGETS = len(UCI_COLUMNS), 1  # F, K


@dataclass(frozen=True)
class Setting:
    """A stacked GRU whose last state a dense head reads, and the windows of one epoch."""

    layers: tuple[int, ...] = (32, 16)  # U of each
    batch_size: int = 256  # windows an update
    windows: int = 13_778  # N
    lookback: int = 36  # T

    def __str__(self) -> str:
        return f"{self.units}, batch {self.batch_size}"

    @property
    def units(self) -> str:
        """The layers in words."""
        return " + ".join(map(str, self.layers))

    @property
    def epoch_flops(self) -> int:
        """Floating-point operations of an epoch's matrix products, a multiplication and an addition each.

        The backward pass of a product takes two products of its size, but nobody needs the gradient of the readings.
        """
        widths = (INPUTS, *self.layers)
        projections = [self.lookback * below * 3 * units for below, units in zip(widths, self.layers, strict=False)]
        recurrent = sum(self.lookback * units * 3 * units for units in self.layers)
        forward = sum(projections) + recurrent + self.layers[-1] * TARGETS
        return 2 * self.windows * (3 * forward - projections[0])


@dataclass(frozen=True)
class Trial:
    """The hyperparameters that a search varies."""

    learning_rate: float = 1e-3
    decay_rate: float = 1.0  # each 1000 updates
    keep_prob: float = 1.0  # of the head's input
    seed: int = 0


@dataclass(frozen=True)
class Size:
    """How much a run of the benchmark measures."""

    windows: int = 13_778  # N of an epoch
    rounds: tuple[int, ...] = (7, 4, 2)  # epochs after the first, in each contest
    epochs: int = 4  # after the first, where nobody is compared
    repeats: int = 4  # of a whole training
    scored: int = 1_000_000  # windows
    calls: int = 100
    trials: int = 100
    stock_trials: int = 10
    searched: int = 20  # trials of a sweep
    search_epochs: int = 10
    folds: int = 8  # of a backtest
    fold_epochs: int = 12


FULL = Size()
QUICK = Size(
    windows=2_000,
    rounds=(3, 2, 2),
    epochs=2,
    repeats=2,
    scored=50_000,
    calls=30,
    trials=20,
    stock_trials=3,
    searched=6,
    search_epochs=2,
    folds=2,
    fold_epochs=1,
)
