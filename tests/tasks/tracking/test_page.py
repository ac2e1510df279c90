"""The address of a run in MLflow's page."""

from __future__ import annotations

import pytest

from wattcast.tasks.tracking.page import PAGE, page_of_run


@pytest.mark.parametrize(
    ("store", "beside", "server"),
    [
        ("http://mlflow:5000/", None, "http://mlflow:5000"),
        ("https://mlflow", "http://127.0.0.1:5000", "https://mlflow"),
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:///mlflow.db", None, ""),
    ],
)
def test_a_run_is_shown_by_its_server_or_beside_its_local_store(
    store: str, beside: str | None, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PAGE, raising=False)
    if beside:
        monkeypatch.setenv(PAGE, beside)
    run = f"{server}/#/experiments/1/runs/abc" if server else ""
    among_trainings = "?workflowType=machine_learning"
    assert page_of_run(store, "1", "abc") == (run and run + among_trainings)
    assert page_of_run(store, "1", "abc", "r.html") == (run and f"{run}/artifacts/r.html{among_trainings}")
