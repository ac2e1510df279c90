"""The address that `make up` names for MLflow, without `make up`."""

from __future__ import annotations

import io
import urllib.error
import urllib.request

import pytest

from wattcast.flows.service.up import _runs_page


@pytest.mark.parametrize(
    ("answer", "experiment"),
    [(b'{"experiment": {"experiment_id": "7"}}', "7"), (None, "1")],  # before the first run there is none
)
def test_mlflow_is_opened_on_its_runs(monkeypatch: pytest.MonkeyPatch, answer: bytes | None, experiment: str) -> None:
    def urlopen(url: str, timeout: float) -> io.BytesIO:
        assert url == "http://host:5001/api/2.0/mlflow/experiments/get-by-name?experiment_name=appliances-energy"
        if answer is None:
            raise urllib.error.HTTPError(url, 404, "not found", {}, None)  # type: ignore[arg-type]
        return io.BytesIO(answer)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    shown = f"http://host:5001/#/experiments/{experiment}/runs?workflowType=machine_learning"
    assert _runs_page("http://host:5001") == shown
