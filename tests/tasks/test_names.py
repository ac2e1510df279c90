"""Names have an alphabet."""

from __future__ import annotations

import pytest

from wattcast.model.errors import InputError
from wattcast.tasks.names import as_name, check_name


@pytest.mark.parametrize("name", ["wider", "Haus 1 Süd", "v1.2+x", "東京", "x" * 100])
def test_a_name_of_letters_digits_and_few_signs_is_taken(name: str) -> None:
    check_name(name, "a study")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "-a",
        ".a",
        "<script>alert(1)</script>",
        "a\nb",
        "a\x00",
        "a/b",
        "a'b",
        'a"b',
        "a{b}",
        "x" * 101,
    ],
)
def test_any_other_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InputError, match=r"^the name of a study must have at most 100 letters"):
        check_name(name, "a study")
    assert as_name(name).isprintable()


def test_a_dot_is_refused_where_it_would_part_a_name() -> None:
    with pytest.raises(InputError, match=r"signs _ \+ -, and begin with a letter or a digit, received 'a\.b'"):
        check_name("a.b", "a registered model", dots=False)


def test_a_name_is_made_of_any_text() -> None:
    assert as_name("recommended-<b>house</b> (1)") == "recommended-_b_house__b_ _1_"
    assert as_name("recommended-office") == "recommended-office"
