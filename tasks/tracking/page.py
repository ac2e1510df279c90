"""Where MLflow's own page shows what was tracked."""

from __future__ import annotations

import os

PAGE = "WATTCAST_MLFLOW_PAGE"
"""Names the address at which the page shows a local store, where it is served beside us."""


TRAININGS = "workflowType=machine_learning"
"""Of an address: MLflow shows what belongs to trainings beside it, not what belongs to language models."""


def page_of_run(store: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The address of a run's page or of an artifact there, at the tracking server or where a local store is shown.

    Empty where neither is known.
    """
    server = store if store.startswith(("http://", "https://")) else os.environ.get(PAGE, "")
    place = f"{run_id}/artifacts/{artifact}" if artifact else run_id
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs/{place}?{TRAININGS}" if server else ""
