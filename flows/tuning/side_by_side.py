"""Calls of a task side by side: on threads of this process, or on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from prefect import Task
from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from wattcast.model.errors import InputError
from wattcast.tasks.tuning.ranges import Runner


@dataclass(frozen=True)
class SideBySide:
    """Where calls of a task run, and how many at once."""

    runner: Runner
    address: str | None  # of a Dask scheduler
    jobs: int

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError(f"jobs must be at least 1, received {self.jobs}")
        if self.runner == "dask" and not self.address:
            raise InputError("the runner dask needs the address of a scheduler, such as --address tcp://127.0.0.1:8786")
        if self.runner != "dask" and self.address:
            raise InputError(f"an address is that of a Dask scheduler: add --runner dask, received {self.address!r}")

    def run(
        self,
        task: Task[..., Any],
        calls: Sequence[Mapping[str, Any]],
        *,
        stop: Callable[[BaseException], None],
        done: Callable[[], None] | None = None,
    ) -> list[Any]:
        """What all `calls` of `task` return, in their order; `done` is told of each.

        Where one fails, or at Ctrl-C, `stop` is to have the others end, for which the runner waits.
        """
        with self._task_runner() as runner:
            try:
                futures = [runner.submit(task, dict(call)) for call in calls]
                for future in as_completed(futures):
                    future.result()
                    if done:
                        done()
            except BaseException as error:
                stop(error)
                raise
            return [future.result() for future in futures]

    def _task_runner(self) -> TaskRunner[Any]:
        if self.runner == "threads":
            return ThreadPoolTaskRunner(max_workers=self.jobs)
        try:
            from prefect_dask.task_runners import DaskTaskRunner
        except ImportError:
            raise InputError(
                "the runner dask is not installed: pip install --editable '.[dask]', here and for each Dask worker"
            ) from None
        return cast("TaskRunner[Any]", DaskTaskRunner(address=self.address))
