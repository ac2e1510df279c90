"""How a plain function becomes a flow of Prefect's, whose log tells what it did and whose last state what came out."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from prefect import Flow
from prefect.context import FlowRunContext, TaskRunContext, refresh_global_settings_context
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run
from prefect.states import Completed

from wattcast.flows.guarded import Guarded
from wattcast.model.errors import DivergedError, InputError
from wattcast.model.telling import tellable
from wattcast.tasks.faults import PREFECT_GONE, fault_of
from wattcast.tasks.stages import NOT_ON_SCREEN
from wattcast.tasks.tracking.past_runs import close_abandoned, close_after_crash, resumable_run


class Result(Protocol):
    """What a flow returns."""

    @property
    def sentence(self) -> str:
        """What came out, in one line."""


P = ParamSpec("P")
R = TypeVar("R", bound=Result)
log = logging.getLogger(__name__)

FLOW_RUN = "prefect.flow_run"
"""The tag of a run that goes on when Prefect begins its flow run again."""


def job(run_name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A function as a flow of its name, whose runs are named by a template of its parameters.

    Called, it returns what the function does; the last state of its run says the sentence of that.
    """

    def made(function: Callable[P, R]) -> Flow[P, R]:
        failed: set[Any] = set()  # flow runs of this process

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with _told_to_prefect():
                    result = function(*args, **kwargs)
                    log.info("%s", result.sentence, extra=NOT_ON_SCREEN)
            except Exception:
                failed.add(flow_run.id)
                raise
            if flow_run.id in failed:  # beside a state of ours Prefect would raise the fault of the attempt before
                return result
            state: Any = Completed(message=result.sentence, data=result)
            return cast("R", state)  # Prefect gives the data of it to whoever has called

        signature = inspect.signature(function, eval_str=True)  # Prefect would look for its types in this module
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return Guarded(run, name=function.__name__, flow_run_name=run_name, on_crashed=[close_after_crash])

    return made


def alone(flow: Flow[P, R]) -> Callable[P, R]:
    """The function that a `job` was made of: what it does, without a run of Prefect's and without its server."""
    return cast("Callable[P, R]", inspect.unwrap(flow.fn))


def retried() -> str | None:
    """The MLflow run of an earlier attempt of this flow run, which Prefect has begun again."""
    if flow_run.run_count < 2:
        return None
    close_abandoned()
    return resumable_run(FLOW_RUN, str(flow_run.id))


@contextmanager
def _told_to_prefect() -> Iterator[None]:
    """What we log goes to the log of the flow run, and why it failed; nothing of that where there is no flow run."""
    if FlowRunContext.get() is None:
        yield
        return
    ours, handler = logging.getLogger("wattcast"), _RunLog()
    level = ours.level
    if level == logging.NOTSET:
        ours.setLevel(logging.INFO)
    ours.addHandler(handler)
    try:
        yield
        handler.flush()  # what is said last is there before the state that ends the run
    except Exception as error:
        if fault_of(error) == PREFECT_GONE:
            _expect_no_answer()
        else:
            log.error("%s", tellable(fault_of(error) or str(error)), extra=NOT_ON_SCREEN)
            handler.flush()
        raise
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)


def _without_trace(record: logging.LogRecord) -> bool:
    """Whether Prefect's own line on a failure tells anything: of what one message of ours explains it has a traceback.

    It would stand in the log four times, of the task, the flow and the engine, with the message lost between them.
    """
    error = record.exc_info[1] if record.exc_info else None
    return error is None or not (isinstance(error, (InputError, DivergedError)) or fault_of(error))


for _name in ("prefect.task_runs", "prefect.flow_runs", "prefect.engine"):
    logging.getLogger(_name).addFilter(_without_trace)


def _expect_no_answer() -> None:
    """Prefect's client has tried again for long enough: what else it would tell its server it tries to tell once."""
    os.environ["PREFECT_CLIENT_MAX_RETRIES"] = "0"
    refresh_global_settings_context()


class _RunLog(APILogHandler):
    """Sends what any thread says in the name of the flow run in which it was made: Prefect knows a run by its context.

    Prefect's own way, `PREFECT_LOGGING_EXTRA_LOGGERS`, knows no other threads than the flow's and its tasks'.
    """

    def __init__(self) -> None:
        super().__init__()
        self.context = copy_context()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        if FlowRunContext.get() or TaskRunContext.get():
            super().emit(record)
        else:
            self.context.copy().run(super().emit, record)
