"""Where MLflow's own page shows what was tracked."""

from __future__ import annotations

import os

PAGE = "WATTCAST_MLFLOW_PAGE"
"""Names the address at which the page shows a local store, where it is served beside us."""


def page_of_run(store: str, experiment_id: str, run_id: str) -> str:
    """The address of a run's page, at the tracking server or where a local store is shown; else nothing."""
    server = store if store.startswith(("http://", "https://")) else os.environ.get(PAGE, "")
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}" if server else ""
