"""What is said for one option of a configuration, and on which evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Basis = Literal["given", "found", "guessed", "asked"]
"""Who says it: the user; the file, which leaves no doubt; what is usual, which is to be looked at; nobody yet."""

ASKED = "?"
"""What a value begins with that is a question to the user."""


@dataclass(frozen=True)
class Answer:
    """The value of an option by its dotted name, and the evidence for it; where it is asked, the question in words.

    The value of a question is what the figures were made with meanwhile, or None.
    """

    option: str
    value: Any
    basis: Basis
    why: str

    @property
    def asked(self) -> bool:
        """Whether the user has to answer before anything can be trained."""
        return self.basis == "asked"

    @property
    def written(self) -> Any:
        """The value as a configuration holds it: the question where it is one."""
        return f"{ASKED} {self.why}" if self.asked else self.value
