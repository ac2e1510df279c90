"""What Prefect is not told: it keeps the parameters of each flow run and shows them to whoever asks."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.runtime import deployment

from wattcast.model.errors import InputError
from wattcast.model.telling import masked

P = ParamSpec("P")
R = TypeVar("R")


class Guarded(Flow[P, R]):
    """A flow of whose parameters Prefect is given no passwords; the function itself gets them as they were given."""

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: _hidden(value) for name, value in super().serialize_parameters(parameters).items()}


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
