"""Processes that tests start: forked from one that has imported once what takes its time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

_IMPORTED = [
    "pytest",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "wattcast.tasks.monitoring.forecast_log",
    "wattcast.tasks.registry.ledger",
    "wattcast.tasks.tuning.study",
]


@dataclass(frozen=True)
class Child:
    """A process that calls a function of a test's file, and the wire to it."""

    process: BaseProcess
    wire: Connection

    @classmethod
    def of(cls, function: Callable[..., None], *arguments: Any) -> Child:
        """One that calls `function(wire, *arguments)` in the working folder of now."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        mine, its = context.Pipe()
        file, name = function.__code__.co_filename, function.__name__
        program = f"import runpy; runpy.run_path({file!r})[{name!r}](wire, *arguments)"
        process = context.Process(target=exec, args=(program, {"wire": its, "arguments": arguments}), daemon=True)
        process.start()
        its.close()
        return cls(process, mine)

    def last_word(self) -> Any:
        """What it says before it ends well."""
        word = self.wire.recv()
        assert self.end() == 0
        return word

    def end(self) -> int | None:
        """How it has ended."""
        self.process.join()
        return self.process.exitcode
