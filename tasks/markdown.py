"""Texts for pages that read them as Markdown, as Prefect's and MLflow's do: names of columns may look like it."""

from __future__ import annotations

import re

_MARKS = re.compile(r"[\\`*<\[~|]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")


def plain(text: str) -> str:
    """`text` as it stands, in one line: nothing of it is a mark, a link or a tag."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.splitlines()))
