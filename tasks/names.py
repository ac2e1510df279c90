"""What a name may be that is kept, shown on pages and typed again: of a study, of a registered model."""

from __future__ import annotations

import re

from wattcast.model.errors import InputError

_LONGEST = 100
_FOREIGN = re.compile(r"[^\w .+-]")
_RULE = f"at most {_LONGEST} letters, digits, spaces and the signs _ . + -, and begin with a letter or a digit"


def check_name(name: str, of: str, *, dots: bool = True) -> None:
    """A name that can be used everywhere.

    Raises:
        InputError: it is none; `of` says whose it is.
    """
    first = name[:1].isalnum() and not name.endswith(" ")
    if not first or len(name) > _LONGEST or _FOREIGN.search(name) or (not dots and "." in name):
        rule = _RULE if dots else _RULE.replace(" .", "")
        raise InputError(f"the name of {of} must have {rule}, received {name!r}")


def as_name(text: str) -> str:
    """`text` with `_` for each sign that no name has."""
    return _FOREIGN.sub("_", text)[:_LONGEST].strip()
