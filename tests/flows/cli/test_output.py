"""The streams of a command, whatever stands behind them."""

from __future__ import annotations

import subprocess
import sys

import pytest

STAND_BY = "import sys; from wattcast.flows.cli.output import stand_by; stand_by(); "


@pytest.mark.parametrize(
    ("closed", "stream"),
    [(">&-", "stdout"), ("2>&-", "stderr"), ("<&- >&- 2>&-", "stdout")],
    ids=str,
)
def test_a_closed_stream_is_not_replaced_by_what_is_opened_next(closed: str, stream: str) -> None:
    """A database would get its number, and whatever is printed would be written into it."""
    code = f"{STAND_BY} number = open(sys.executable).fileno(); print('words', file=sys.{stream}); sys.exit(number < 3)"
    done = subprocess.run(["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [("ascii", "┃ 5 °C", rb"\u2503 5 \xb0C"), ("utf-8", "h\udcff.csv, 5 °C", rb"h\udcff.csv, 5 " + "°C".encode())],
)
def test_what_a_stream_cannot_write_is_spelled(encoding: str, text: str, written: bytes) -> None:
    command = [sys.executable, "-c", f"{STAND_BY} print({text!a}); print({text!a}, file=sys.stderr)"]
    done = subprocess.run(command, env={"PYTHONIOENCODING": encoding}, capture_output=True, check=True)
    assert done.stdout.strip() == done.stderr.strip() == written
