"""Questions that stand in a configuration where values are wanted: `wattcast inspect --write` puts them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattcast.flows.experiment.dotted import flatten
from wattcast.tasks.inspection.answers import ASKED


def unanswered(nested: Mapping[str, Any]) -> dict[str, str]:
    """The question at each option, by its dotted name, that is still to be answered in the options `nested`."""
    return {
        name: value.removeprefix(ASKED).strip()
        for name, value in flatten(nested)
        if isinstance(value, str) and value.startswith(ASKED)
    }


def listed(questions: Mapping[str, str], origin: str) -> str:
    """The message that asks all `questions` of the configuration `origin`."""
    told = "".join(f"\n  - {name}: {question or 'what is it?'}" for name, question in questions.items())
    return f"{origin} asks what is not answered yet: put each answer in the place of its question{told}"
