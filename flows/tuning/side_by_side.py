"""Calls of a task side by side: on threads of this process, or on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from prefect import Task
from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from wattcast.model.errors import InputError
from wattcast.tasks.stages import stage
from wattcast.tasks.tuning.choices import Runner

_PATIENCE_S = 60  # with what runs on a cluster and is to end

_stopped: set[str] = set()


class Stopped(BaseException):
    """Whoever waits for this call has been told to end: no fault of what it does."""


def go_on(worker: str) -> None:
    """What calls of `worker` ask as they begin, and at each epoch.

    Raises:
        Stopped: nobody waits for them any more.
    """
    if worker in _stopped:
        raise Stopped


def _stop(worker: str) -> None:
    _stopped.add(worker)


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
        worker: str,
        stop: Callable[[BaseException], None],
        done: Callable[[], None] | None = None,
    ) -> list[Any]:
        """What all `calls` of `task` return, in their order; `done` is told of each.

        Where one fails, or at Ctrl-C, `stop` is told why and `go_on` ends the others of `worker`, which is waited for.
        """
        with self._task_runner() as runner:
            futures: list[Any] = []
            try:
                futures += [runner.submit(task, dict(call)) for call in calls]
                for future in as_completed(futures):
                    future.result()
                    if done:
                        done()
            except BaseException as error:
                stop(error)
                self._end(runner, futures, worker)
                raise
            return [future.result() for future in futures]

    def _end(self, runner: Any, futures: Sequence[Any], worker: str) -> None:
        """Threads are waited for by their runner. Dask's leaves a cluster to itself, with whatever runs there."""
        if self.runner == "threads":
            _stop(worker)
            return
        from distributed import wait

        running, client = [future.wrapped_future for future in futures], runner.client
        with stage("ending what runs on the cluster"), suppress(OSError, TimeoutError):  # it may be what is gone
            client.run(_stop, worker, on_error="ignore")
            with client.as_current():
                wait(running, timeout=_PATIENCE_S)  # type: ignore[no-untyped-call]

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
