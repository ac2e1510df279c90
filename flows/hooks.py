"""What Prefect calls where a flow run has crashed."""

from __future__ import annotations

from typing import Any


def close_after_crash(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - Prefect names them
    """End the MLflow runs of processes that were killed: Prefect calls this in another process, in the same folder."""
    from tasks.track import close_abandoned

    close_abandoned()
