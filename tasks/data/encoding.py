"""Bytes to text: which encoding a file has, and its bytes as UTF-8."""

from __future__ import annotations

import codecs
import io
import re
from itertools import pairwise

from wattcast.model.errors import InputError

CHUNK_BYTES = 2**22
SAMPLE_BYTES = 2**16
_SIGNS = "°²³µ€§·±\u00a0\u202f"
_LETTERS = "ßàáâãäåæçèéêëìíîïñòóôõöøùúûüœ"
_MARKS = (  # the longer one of two that begin alike goes first
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def find_encoding(content: bytes, given: str | None) -> tuple[str, str]:
    """The encoding of `content`, and the evidence for it; `given` is taken.

    Raises:
        InputError: it is no text, or its letters read differently in two encodings.
    """
    if given is not None:
        return _known(given), f"encoding {given}: given"
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name, f"encoding {name}: the file begins with its byte order mark"
    head = content[:4096]
    if b"\0" in head:
        return _without_mark(head)
    if _is_utf8(content):
        plain = content.isascii()
        return "utf-8", "encoding utf-8: " + ("all bytes are ASCII" if plain else "all bytes are valid in it")
    lines = b"\n".join(re.findall(rb"[^\r\n]{0,200}[\x80-\xff][^\r\n]{0,200}", content[: 2**24])[:500])[:SAMPLE_BYTES]
    letters = lines or content[:SAMPLE_BYTES]
    others = ["cp1250"] if _is_western(western := _decoded(letters, "cp1252")) else _detected(letters)
    unlike = [name for name in others if not _same_letters(western, _decoded(letters, name))]
    if western and not unlike:
        return "cp1252", f"encoding cp1252: not valid in utf-8, and reads as {_word(western)!r}"
    ways = {name: _decoded(letters, name) for name in ("cp1252", *unlike)}
    told = [f"{_word(text)!r} in {name}" for name, text in ways.items() if text]
    raise InputError(
        f"the file's letters are not UTF-8 and can be {', or '.join(told) or 'of any encoding'}. Say "
        "which with file.encoding, or save the file as UTF-8"
    )


def as_utf8(content: bytes, encoding: str) -> bytes:
    """`content` as UTF-8 without a byte order mark.

    Raises:
        InputError: it is not of this encoding, or holds NUL characters.
    """
    for mark, name in _MARKS:
        if content.startswith(mark) and name.startswith(encoding):
            content, encoding = content[len(mark) :], name
            break
    if encoding != "utf-8":
        decoder, text = codecs.getincrementaldecoder(encoding)(), io.BytesIO()
        try:
            for start in range(0, len(content), CHUNK_BYTES):
                text.write(decoder.decode(content[start : start + CHUNK_BYTES]).encode())
            text.write(decoder.decode(b"", final=True).encode())
        except (UnicodeError, ValueError) as fault:
            raise InputError(
                f"the file is not of the encoding {encoding}: {fault}; say which with file.encoding"
            ) from None
        content = text.getvalue().removeprefix(codecs.BOM_UTF8)
    elif not _is_utf8(content):
        raise InputError("the file is not of the encoding utf-8: say which with file.encoding, for example 'cp1252'")
    if b"\0" in content:
        raise InputError("the file holds NUL bytes: it is no table of text, or it is damaged")
    return content


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name)
        text = getattr(found, "_is_text_encoding", True)
    except (LookupError, ValueError):
        text = False
    if not text:
        raise InputError(f"file.encoding must be one that Python knows, such as 'utf-8' or 'cp1252', received {name!r}")
    return {"utf-8-sig": "utf-8"}.get(found.name, found.name)


def _without_mark(head: bytes) -> tuple[str, str]:
    """The encoding of a text with NUL bytes: those of UTF-16 stand at every other place."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even == 0 or odd == 0:
        name = "utf-16-be" if even else "utf-16-le"
        if max(even, odd) > len(head) // 4:
            return name, f"encoding {name}: every other byte is NUL"
    raise InputError("the file holds NUL bytes: it is no table of text, or it is damaged")


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), CHUNK_BYTES):
            decoder.decode(content[start : start + CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _decoded(letters: bytes, encoding: str) -> str | None:
    try:
        return letters.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _is_western(text: str | None) -> bool:
    """Whether the letters of `text` stand in words as those of Western Europe do."""
    if text is None or not {mark for mark in text if not mark.isascii()} <= {*_SIGNS, *_LETTERS, *_LETTERS.upper()}:
        return False
    for word in re.findall(rf"[A-Za-z{_LETTERS}{_LETTERS.upper()}]+", text):
        accents = sum(not letter.isascii() for letter in word)
        pairs = pairwise(word)
        if 2 * accents > max(len(word), 2) or any(
            one.islower() and other.isupper() and not (one + other).isascii() for one, other in pairs
        ):
            return False
    return True


def _detected(letters: bytes) -> list[str]:
    """The encodings that a detector finds likely, the best first."""
    from charset_normalizer import from_bytes  # which takes its time

    return [match.encoding for match in from_bytes(letters)][:2]


def _same_letters(one: str | None, other: str | None) -> bool:
    """Whether two texts differ in signs at most."""
    if one is None or other is None or len(one) != len(other):
        return one is not None and other is None
    return all(here == there or here in _SIGNS for here, there in zip(one, other, strict=True))


def _word(text: str) -> str:
    """The first word with a letter that is not ASCII."""
    found = re.search(r"[\w°]*[^\x00-\x7f][\w°]*", text)
    return found.group()[:40] if found else ""
