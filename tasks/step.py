"""How a plain function becomes a task of Prefect's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext

P = ParamSpec("P")
R = TypeVar("R")


class Step(Task[P, R]):
    """A task that is its plain function outside of a flow run, where Prefect would start a server to tell of it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]  # Prefect overloads it
        """What the function returns."""
        if FlowRunContext.get() is None:
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def step(function: Callable[P, R], **options: Any) -> Step[P, R]:
    """`function` as a task of its name, without its ending `_task`, with other `options` of Prefect's.

    Prefect would hash all arguments to look for a result of the same call: here they are frames and networks.
    """
    return Step(function, **{"name": function.__name__.removesuffix("_task"), "cache_policy": NO_CACHE, **options})
