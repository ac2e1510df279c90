"""What an MLflow model says that it needs and takes."""

from __future__ import annotations

from importlib.metadata import version

from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.tracking.logged_model import requirements, signature


def test_who_reads_public_holidays_needs_their_package_and_nobody_else_does() -> None:
    assert [line for line in requirements(ReadingsConfig()) if line.startswith("holidays")] == []
    needed = requirements(ReadingsConfig(holidays="BE"))
    assert needed == [*requirements(ReadingsConfig()), f"holidays=={version('holidays')}"]


def test_known_columns_are_an_input_and_holidays_are_none() -> None:
    """None is required, so that rows to come may lack a target."""
    given = signature(ReadingsConfig(features=("T1",), known=("tariff",), holidays="BE")).inputs
    assert given.input_names() == ["date", "Appliances", "T1", "tariff"]
    assert given.optional_input_names() == given.input_names()
