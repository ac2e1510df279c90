"""Champion and challenger of several targets: which one decides, and what is asked of the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from wattcast.flows.experiment.experiment import Experiment
from wattcast.flows.promotion import comparison
from wattcast.tasks.fan import Fan
from wattcast.tasks.registry.contract import Contract
from wattcast.tasks.registry.versions import CONTRACT, DATA_TO, Version

TARGETS = ("house", "heat")
TIMES = pd.date_range("2024-04-01", periods=200, freq="h")
READINGS = {"targets": TARGETS, "cadence_minutes": 60, "unit": "Wh"}
QUANTILES = (0.05, 0.5, 0.95)


def case_of(targets: tuple[str, ...]) -> Any:
    """144 forecasts of two steps, of readings that are all 100 Wh."""
    told: dict[str, Any] = {"readings": {**READINGS, "targets": targets}, "window": {"output_length": 2}}
    experiment = Experiment.model_validate({**told, "intervals": [0.9]})
    windows = SimpleNamespace(
        series=SimpleNamespace(times=TIMES),
        target_rows=np.arange(20, 164)[:, None] + np.arange(2),
        actual=np.full((144, 2, len(targets)), 100.0),
        config=experiment.window,
    )
    prepared = SimpleNamespace(experiment=experiment, windows=SimpleNamespace(test=windows), unit="Wh")
    return comparison.Case(cast("Any", None), cast("Any", None), cast("Any", prepared), pd.DataFrame())


def champion_of(targets: tuple[str, ...]) -> Version:
    experiment = case_of(targets).prepared.experiment
    contract = Contract.of(experiment.readings, experiment.window, QUANTILES)
    tags = {CONTRACT: contract.model_dump_json(), DATA_TO: str(TIMES[10])}
    return Version("duo", 1, "run", TIMES[0].to_pydatetime(), tags, ())


def fans(**errors: float) -> dict[str, Fan]:
    """Forecasts of each target that lie so many Wh beside the readings, in intervals that hold them."""
    return {
        target: Fan(np.full((144, 2), 100 + error), np.full((144, 2, 3), [50.0, 100.0, 150.0]), QUANTILES)
        for target, error in errors.items()
    }


@pytest.mark.parametrize(("heat", "passed"), [(5, True), (9, False)])
def test_the_first_target_decides_and_no_other_may_be_worse(heat: float, passed: bool) -> None:
    checks = comparison._champion(
        case_of(TARGETS), champion_of(TARGETS), fans(house=3, heat=heat), fans(house=4, heat=8), {}
    )
    assert [(check.name, check.passed) for check in checks] == [
        ("winkler", True),
        ("further", passed),
        ("champion", True),
    ]
    winkler, further, beaten = checks
    assert winkler.message.startswith("house: 90 % intervals: Winkler score of 100.00 Wh against 100.00 Wh")
    assert further.message.startswith("heat is " + ("not worse than" if passed else "worse than"))
    assert further.numbers["difference.heat"] == heat - 8
    assert beaten.message.startswith("house: beats the champion: RMSE of 3.00 Wh against the champion's 4.00 Wh")


def test_one_target_is_not_named() -> None:
    alone = TARGETS[:1]
    _, beaten = comparison._champion(case_of(alone), champion_of(alone), fans(house=3), fans(house=4), {})
    assert beaten.message.startswith("beats the champion: RMSE of 3.00 Wh")


def test_what_the_champion_does_not_forecast_is_not_compared() -> None:
    case = case_of(TARGETS)
    gate = case.prepared.experiment.gate.model_copy(update={"allow_new_signature": True})
    case.prepared.experiment = case.prepared.experiment.model_copy(update={"gate": gate})
    champion = champion_of(TARGETS[:1])
    assert comparison._promised(case, champion) == (("house",), QUANTILES)
    assert comparison._promised(case, champion_of(TARGETS)) == (TARGETS, QUANTILES)
    checks = comparison._champion(case, champion, fans(house=3, heat=1), fans(house=4), {})
    assert [check.name for check in checks] == ["winkler", "champion"]
