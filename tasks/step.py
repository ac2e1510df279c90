"""How a plain function becomes a task of Prefect's."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task, task  # noqa: TID251
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def step(function: Callable[P, R]) -> Task[P, R]:
    """`function` as a task of its name, without its ending `_task`; other options through `with_options`.

    Prefect would hash all arguments to look for a result of the same call: here they are frames and networks.
    """
    return task(name=function.__name__.removesuffix("_task"), cache_policy=NO_CACHE)(function)
