"""Work in processes of its own: a section that nothing before it has warmed or filled, and contenders taking turns."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from tests.benchmarks.contenders import Contender
from tests.benchmarks.house import make_house
from tests.benchmarks.memory import Mark
from tests.benchmarks.quiet import import_keras
from tests.benchmarks.settings import Setting

P = ParamSpec("P")
R = TypeVar("R")

SPAWN = get_context("spawn")  # a fork with TensorFlow loaded hangs


def in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function` returns, called in a fresh process that has Keras at hand."""
    with ProcessPoolExecutor(1, mp_context=SPAWN, initializer=import_keras) as pool:
        return pool.submit(function, *args, **kwargs).result()


@dataclass(frozen=True)
class Lap:
    """One epoch of a contender, and its peak memory so far above imports and data."""

    seconds: float
    added_mb: float


class Runner:
    """A contender in its own process that does one epoch when it is told to."""

    def __init__(self, name: str, contender: Contender, setting: Setting, epochs: int) -> None:
        self.name = name
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_run, args=(theirs, contender, setting, epochs), daemon=True)
        self.process.start()
        theirs.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.join()

    def wait(self) -> None:
        """Until libraries and data are there."""
        self._answer()

    def epoch(self) -> Lap:
        """The next epoch; the first one builds, traces and compiles too."""
        self.pipe.send("go")
        lap: Lap = self._answer()
        return lap

    def _answer(self) -> Any:
        try:
            return self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.name} failed; its own error stands above") from None


def _run(pipe: Connection, contender: Contender, setting: Setting, epochs: int) -> None:
    train = contender(make_house(setting.windows, setting.lookback), setting, epochs)
    mark = Mark.now()
    pipe.send("ready")
    pipe.recv()
    began = perf_counter()

    def on_epoch(*_: object) -> None:
        nonlocal began
        pipe.send(Lap(perf_counter() - began, mark.added_mb))
        pipe.recv()
        began = perf_counter()

    train(on_epoch)
