"""What a flow tells Prefect when it fails, and when Prefect is what has failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from prefect.context import refresh_global_settings_context
from prefect.settings import Settings

from wattcast.flows import job


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
