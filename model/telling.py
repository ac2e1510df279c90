"""What a message may say: no password, nothing without end, and no sign that would steer a terminal."""

from __future__ import annotations

import os
import re

HIDDEN = "***"
"""What stands in place of a password."""
_CUT = "…"
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")  # but for newline and tab
_LONGEST_LINE, _LONGEST = 1000, 10_000  # characters
_SHORTEST = 4  # of what is looked for as it stands
_VARIABLES = re.compile(r"(PASSWORD|PASSWD|_PWD|TOKEN|SECRET|SECRET_(ACCESS_)?KEY|API_KEY|AUTH_STRING)$", re.IGNORECASE)
_PASSWORD = re.compile(rf"(:/+[^:/@\s]*):\S*(@|{_CUT})")  # it may hold any sign; paths have one slash
_KEY = re.compile(r"(https?:/+)[^:/@\s]+@", re.IGNORECASE)  # in place of a user's name
_QUERY = re.compile(r"([?&;]\w*(?:passw|pwd|secret|token|api_?key)\w*=)[^&;\s]*", re.IGNORECASE)


def tellable(text: str) -> str:
    """`text` as it may be shown, logged and kept: without passwords, and with the middle left out where it is long.

    Beginning and end stay, as they say what is wrong and what to do. Signs that cannot be seen or written, such as a
    terminal's escape and half a surrogate pair, stand as Python writes them.
    """
    lines = (_brief(line, _LONGEST_LINE) for line in _brief(text, _LONGEST).split("\n"))
    return masked(spelled("\n".join(lines)))


def spelled(text: str) -> str:
    """`text` with signs that cannot be seen or written as Python writes them; lines and tabs stay."""
    return _UNSEEN.sub(lambda sign: ascii(sign[0])[1:-1], text)


def masked(text: str) -> str:
    """`text` without the passwords of URLs in it, and without those that the environment holds."""
    shown = _QUERY.sub(rf"\1{HIDDEN}", _KEY.sub(rf"\1{HIDDEN}@", _PASSWORD.sub(rf"\1:{HIDDEN}\2", text)))
    for secret in _secrets():
        shown = shown.replace(secret, HIDDEN)
    return shown


def _secrets() -> list[str]:
    """The longest first, as one may be part of another: a user's name and a password."""
    whole = [value for name, value in os.environ.items() if _VARIABLES.search(name)]
    found = {*whole, *(value.rpartition(":")[2] for value in whole)}
    return sorted((each for each in found if len(each) >= _SHORTEST), key=len, reverse=True)


def _brief(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail]}{_CUT}{text[-tail:]}"
