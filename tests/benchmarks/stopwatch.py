"""Times of a training's epochs and of single calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from tests.benchmarks.contenders import Train

WARM_UP = 5  # calls


@dataclass(frozen=True)
class Watched:
    """Seconds of a training."""

    epochs: list[float]  # the first one with all that comes before it
    whole: float  # to the trained network


def watch(train: Train) -> Watched:
    """Train, and look at the clock after each epoch."""
    marks = [perf_counter()]
    whole = seconds(lambda: train(lambda *_: marks.append(perf_counter())))
    return Watched(np.diff(marks).tolist(), whole)


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    began = perf_counter()
    function()
    return perf_counter() - began


def call_seconds(function: Callable[[], object], calls: int) -> list[float]:
    """Of so many calls, after a few that do not count."""
    return [seconds(function) for _ in range(WARM_UP + calls)][WARM_UP:]
