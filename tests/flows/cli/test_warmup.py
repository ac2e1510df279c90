"""What a command prints while its flow runs."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from wattcast.flows.cli import warmup
from wattcast.flows.experiment.experiment import UNCHANGED


def test_what_the_code_of_others_prints_is_kept_apart_from_the_result(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With --json, standard output is one JSON object: a forecaster of the user's own may print as it likes."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(warmup, "begin", lambda *_, **__: None)
    monkeypatch.setattr(warmup, "tensorflow_in_background", lambda _: nullcontext())
    words = "of the user's own"
    module = SimpleNamespace(
        backtest=lambda: (sys.stdout.write(f"{words}\n"), os.system(f'echo "{words}, by a process"'))
    )
    monkeypatch.setattr(warmup, "import_module", lambda _: module)
    with warmup.ready("backtest", UNCHANGED) as flow:
        flow()
    sys.stdout.write("the result\n")
    told = capfd.readouterr()
    assert told.out == "the result\n"
    assert told.err.endswith(f"{words}\n{words}, by a process\n")
