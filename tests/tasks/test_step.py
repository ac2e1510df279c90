"""A function as a task of Prefect's: its name, and that nothing of it is cached."""

from __future__ import annotations

import pytest
from prefect import Task
from prefect.cache_policies import NO_CACHE

from wattcast.tasks.data.download import download_task, fetch_task
from wattcast.tasks.step import step


def double_task(number: int) -> int:
    """Twice the number."""
    return 2 * number


def test_a_step_is_the_function_under_its_name() -> None:
    task = step(double_task)
    assert (task.name, task.fn, task.fn(3)) == ("double", double_task, 6)
    assert task.description == "Twice the number."
    assert (download_task.name, fetch_task.name) == ("download", "fetch")


def test_no_argument_of_a_step_is_hashed_whatever_options_it_has() -> None:
    task = step(double_task)
    assert task.cache_policy == task.with_options(retries=2).cache_policy == fetch_task.cache_policy == NO_CACHE
    assert (task.retries, task.persist_result) == (0, None)


def test_outside_of_a_flow_run_a_step_is_its_plain_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect would start a server to tell of the call."""

    def tell(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Task, "__call__", tell)
    assert step(double_task, retries=2)(3) == 6
