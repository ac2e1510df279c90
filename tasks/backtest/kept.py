"""A judged fold as a file, exact to the last bit: what a backtest that was ended goes on with."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wattcast.tasks.backtest.contest import Failed, Forecasts, Judged

FOLD_FILE = "fold.npz"
"""The artifact with the forecasts of a fold."""


def to_bytes(judged: Judged) -> bytes:
    """What `from_bytes` reads."""
    arrays: dict[str, npt.NDArray[Any]] = {"actual": judged.actual}
    reasons: dict[str, str] = {}
    for place, (name, outcome) in enumerate(judged.outcomes.items()):
        if isinstance(outcome, Failed):
            reasons[name] = outcome.reason
            continue
        arrays[f"point/{place}"] = outcome.point
        if outcome.bounds is not None:
            arrays[f"bounds/{place}"] = outcome.bounds
    record = {
        "number": judged.number,
        "cut": judged.cut.isoformat(),
        "trained_from": judged.trained_from.isoformat(),
        "names": list(judged.outcomes),
        "failed": reasons,
        "seconds": dict(judged.seconds),
        "zone": None if judged.made_at.tz is None else str(judged.made_at.tz),
        "unit": judged.made_at.unit,
    }
    file = BytesIO()
    made_at = judged.made_at.asi8
    np.savez(file, **arrays, made_at=made_at, record=np.array(json.dumps(record)))  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(content: bytes) -> Judged:
    """What `to_bytes` wrote."""
    with np.load(BytesIO(content)) as arrays:
        record = json.loads(str(arrays["record"]))

        def outcome(place: int, name: str) -> Forecasts | Failed:
            if name in record["failed"]:
                return Failed(record["failed"][name])
            bounds = f"bounds/{place}"
            return Forecasts(arrays[f"point/{place}"], arrays.get(bounds))

        made_at = pd.DatetimeIndex(arrays["made_at"].view(f"datetime64[{record['unit']}]"))
        if record["zone"]:
            made_at = made_at.tz_localize("UTC").tz_convert(record["zone"])
        return Judged(
            number=record["number"],
            cut=_moment(record["cut"], record["zone"]),
            trained_from=_moment(record["trained_from"], record["zone"]),
            made_at=made_at,
            actual=arrays["actual"],
            outcomes={name: outcome(place, name) for place, name in enumerate(record["names"])},
            seconds=record["seconds"],
        )


def _moment(text: str, zone: str | None) -> pd.Timestamp:
    moment = pd.Timestamp(text)
    return moment.tz_convert(zone) if zone else moment
