"""What a command prints while its flow runs."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from wattcast.flows.cli import warmup
from wattcast.flows.experiment.experiment import UNCHANGED


def test_what_the_code_of_others_prints_is_kept_apart_from_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json, standard output is one JSON object: a forecaster of the user's own may print as it likes."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(warmup, "begin", lambda *_, **__: None)
    monkeypatch.setattr(warmup, "tensorflow_in_background", lambda _: nullcontext())
    module = SimpleNamespace(backtest=lambda: sys.stdout.write("of the user's own\n"))
    monkeypatch.setattr(warmup, "import_module", lambda _: module)
    with warmup.ready("backtest", UNCHANGED) as flow:
        flow()
    sys.stdout.write("the result\n")
    told = capsys.readouterr()
    assert told.out == "the result\n"
    assert "of the user's own" in told.err
