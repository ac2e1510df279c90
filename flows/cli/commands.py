"""How the commands stand in the help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperGroup


class Commands(TyperGroup):
    """A flag takes no value, and Typer would show a type behind it."""

    def get_params(self, ctx: Any) -> Any:
        """Those of the group itself."""
        return _plain(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, if there is one."""
        command = super().get_command(ctx, cmd_name)
        if command:
            _plain([*command.params, command.get_help_option(ctx)])
        return command


def _plain(parameters: Iterable[Any]) -> list[Any]:
    given = list(parameters)
    for parameter in given:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return given
