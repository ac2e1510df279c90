"""What a flow tells Prefect when it fails, and when Prefect is what has failed."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from prefect.context import refresh_global_settings_context
from prefect.runtime import flow_run
from prefect.settings import Settings

from wattcast.flows import job
from wattcast.model.errors import DivergedError, InputError


@dataclass(frozen=True)
class Made:
    """What a flow has done."""

    number: int

    @property
    def sentence(self) -> str:
        return f"made {self.number}"


@job.job("counting-{number}")
def count(number: int = 1) -> Made:
    """Ask Prefect nothing, where nobody has begun a run of it."""
    assert flow_run.id is None
    return Made(number + 1)


def test_what_a_flow_does_can_be_had_without_a_server() -> None:
    assert job.alone(count)(2) == Made(3)
    assert job.alone(count)() == Made(2)


class Sent(logging.Handler):
    """What would have been sent, in place of what sends it."""

    lines: list[str]

    def __init__(self) -> None:
        super().__init__()
        type(self).lines = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def flush(self) -> None:
        self.lines.append("waited")


@pytest.fixture
def within_a_flow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job.FlowRunContext, "get", object)
    monkeypatch.setattr(job, "_RunLog", Sent)
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "3")
    refresh_global_settings_context()
    yield
    monkeypatch.undo()
    refresh_global_settings_context()


@pytest.mark.usefixtures("within_a_flow")
@pytest.mark.parametrize(
    ("error", "retries", "said"),
    [(ValueError("a bug"), 3, ["a bug", "waited"]), (httpx.ConnectError("All connection attempts failed"), 0, [])],
)
def test_a_server_that_is_gone_is_waited_for_once(error: Exception, retries: int, said: list[str]) -> None:
    with pytest.raises(type(error)), job._told_to_prefect():
        raise error
    assert Settings().client.max_retries == retries
    assert Sent.lines == said


@pytest.mark.usefixtures("within_a_flow")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("the readings cannot be used"), "the readings cannot be used"),
        (OSError(28, "No space left on device"), "the disk is full: make room and run the same command again"),
    ],
)
def test_the_log_of_a_run_tells_why_it_failed_as_a_command_does(error: Exception, said: str) -> None:
    with pytest.raises(type(error)), job._told_to_prefect():
        raise error
    assert Sent.lines == [said, "waited"]


@pytest.mark.parametrize("logger", ["prefect.task_runs", "prefect.flow_runs", "prefect.engine"])
@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (InputError("such a file"), False),
        (DivergedError(3, math.nan), False),
        (OSError(28, "No space left on device"), False),
        (ValueError("a bug"), True),
        (None, True),
    ],
)
def test_no_traceback_stands_in_the_log_of_what_one_message_tells(
    error: Exception | None, kept: bool, logger: str
) -> None:
    told = (type(error), error, None) if error else None
    record = logging.LogRecord(logger, logging.ERROR, "", 0, "Encountered exception", (), told)
    assert bool(logging.getLogger(logger).filter(record)) == kept
