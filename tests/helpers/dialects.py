"""Files of a known table in any dialect, as meters, utilities and grids write them."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

SEPARATORS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
NUMERALS = (
    (".", ""),
    (",", ""),
    (".", ","),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
    (",", "\u00a0"),
)


@dataclass(frozen=True)
class Writer:
    """How a table is written."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf-8"
    quote: str = '"'
    quote_all: bool = False
    spaced: bool = False
    line_end: str = "\n"
    before: tuple[str, ...] = ()
    heading: bool = True
    units: tuple[str, ...] = ()
    total: bool = False
    trailing: str = ""  # "rows": a separator at the end of the rows, "all": of the heading too
    last_line_ends: bool = True

    def number(self, value: float | None, decimals: int) -> str:
        """`value` with this dialect's signs; nothing for None."""
        if value is None:
            return ""
        plain = f"{value:,.{decimals}f}" if self.thousands else f"{value:.{decimals}f}"
        return plain.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)


def cells_of(
    writer: Writer, stamps: Sequence[str], numbers: Sequence[Sequence[float | None]], decimals: int
) -> list[list[str]]:
    """The cells of the rows: a stamp, then numbers."""
    return [
        [stamp, *(writer.number(value, decimals) for value in row)]
        for stamp, row in zip(stamps, zip(*numbers, strict=True), strict=True)
    ]


def write_dialect(
    writer: Writer, names: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] = ()
) -> bytes:
    """The bytes of a file with `rows`, a row of `total` under them if the writer has one."""
    end = writer.separator
    lines = list(writer.before)
    if writer.heading:
        lines.append(_line(writer, names) + (end if writer.trailing == "all" else ""))
    if writer.heading and writer.units:
        lines.append(_line(writer, writer.units) + (end if writer.trailing else ""))
    table = [*rows, *([total] if writer.total else [])]
    lines += [_line(writer, row) + (end if writer.trailing else "") for row in table]
    text = writer.line_end.join(lines) + (writer.line_end if writer.last_line_ends else "")
    return text.encode(writer.encoding)


def _line(writer: Writer, cells: Sequence[str]) -> str:
    mark = writer.quote
    marks = (writer.separator, mark, "\n", "\r")
    quoted = [
        mark + cell.replace(mark, mark * 2) + mark if writer.quote_all or any(one in cell for one in marks) else cell
        for cell in cells
    ]
    return (writer.separator + " " * writer.spaced).join(quoted)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of `members`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def gzipped(content: bytes) -> bytes:
    """A gzip file of `content`."""
    return gzip.compress(content, mtime=0)


@dataclass(frozen=True)
class Moment:
    """A cell of a workbook that shows days since 1899-12-30 as date and time."""

    days: float


def workbook(sheets: Mapping[str, Sequence[Sequence[str | float | Moment | None]]]) -> bytes:
    """A small .xlsx file."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{at}" r:id="rId{at}"/>' for at, name in enumerate(sheets, 1)
    )
    kinds = "http://schemas.openxmlformats.org"
    related = f"{kinds}/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{related}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    styles = f'<Relationship Id="rId{len(sheets) + 1}" Type="{related}/styles" Target="styles.xml"/>'
    package = f"{kinds}/package/2006"
    main = f'xmlns="{kinds}/spreadsheetml/2006/main"'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{related}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{related}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{relations}{styles}'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet {main}><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for at, rows in enumerate(sheets.values(), 1):
        body = "".join(
            f'<row r="{low}">' + "".join(_cell(cell, low, right) for right, cell in enumerate(row)) + "</row>"
            for low, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{at}.xml"] = f"<worksheet {main}><sheetData>{body}</sheetData></worksheet>"
    return zipped({name: f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode() for name, text in parts.items()})


def _cell(cell: str | float | Moment | None, low: int, right: int) -> str:
    place = f"{chr(65 + right)}{low}"
    if cell is None:
        return ""
    if isinstance(cell, Moment):
        return f'<c r="{place}" s="1"><v>{cell.days!r}</v></c>'
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'
