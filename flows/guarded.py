"""How a function becomes a flow of Prefect's, which keeps each run's parameters and shows them to whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.runtime import deployment

from wattcast.model.errors import InputError
from wattcast.model.telling import masked

P = ParamSpec("P")
R = TypeVar("R")
Hook = Callable[[Any, FlowRun, State], None]


class _Guarded(Flow[P, R]):
    """A flow of whose parameters Prefect is given no passwords; the function itself gets them as they were given."""

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: _hidden(value) for name, value in super().serialize_parameters(parameters).items()}


def guarded(*, run_name: str, on_crashed: Hook | None = None) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A flow with the function's name, whose runs are called `run_name`."""

    def make(function: Callable[P, R]) -> Flow[P, R]:
        hooks: Any = [on_crashed] if on_crashed else None
        return _Guarded(function, name=function.__name__, flow_run_name=run_name, on_crashed=hooks)

    return make


def refuse_secrets(**parameters: str) -> None:
    """Parameters of a deployment's run are in Prefect's database before the run begins.

    Raises:
        InputError: this is one, and a parameter has a password in it.
    """
    for name, value in parameters.items():
        if masked(value) != value and deployment.id:
            raise InputError(
                f"{name} holds a password, which is in Prefect's database now: change that password, and give {name} "
                f"without it, as {value}"
            )


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: _hidden(each) for name, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else value
