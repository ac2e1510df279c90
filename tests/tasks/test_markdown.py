"""Names that look like Markdown."""

from __future__ import annotations

import pytest

from wattcast.tasks.markdown import plain


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("b% <i>x</i> [kWh]", r"b% \<i>x\</i> \[kWh]"),
        ("*a* and `b` | c", r"\*a\* and \`b\` \| c"),
        ("weekly_naive, _a_", r"weekly_naive, \_a\_"),
        ("b & c, &amp; and &#38;", r"b & c, \&amp; and \&#38;"),
        ("C:\\x ~~y~~", r"C:\\x \~\~y\~\~"),
        ("two\nlines", "two lines"),
    ],
)
def test_nothing_of_a_text_is_read_as_markdown(text: str, written: str) -> None:
    assert plain(text) == written
