"""How a metric of one of several targets is named in MLflow."""

from __future__ import annotations


def of_target(name: str, target: str, first: str) -> str:
    """`name` for the `first` target; with the target's name behind it for a later one, as `test_rmse/lights`."""
    return name if target == first else f"{name}/{target}"
