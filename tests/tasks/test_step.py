"""A function as a task of Prefect's: its name, and that nothing of it is cached."""

from __future__ import annotations

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
