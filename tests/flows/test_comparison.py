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


def nobody() -> dict[str, dict[str, Fan]]:
    """No forecasts yet of either target."""
    return {target: {} for target in TARGETS}


def fans(**errors: float) -> dict[str, Fan]:
    """Forecasts of each target that lie so many Wh beside the readings, in intervals that hold them."""
    return {
        target: Fan(np.full((144, 2), 100 + error), np.full((144, 2, 3), [50.0, 100.0, 150.0]), QUANTILES)
        for target, error in errors.items()
    }


@pytest.mark.parametrize(("heat", "passed"), [(5, True), (9, False)])
def test_the_first_target_decides_and_no_other_may_be_worse(heat: float, passed: bool) -> None:
    checks = comparison._champion(
        case_of(TARGETS),
        champion_of(TARGETS),
        fans(house=3, heat=heat),
        fans(house=4, heat=8),
        nobody(),
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


def too_wide(fan: Fan) -> Fan:
    return Fan(fan.point, fan.bounds * np.array([0.0, 1.0, 2.0]), fan.quantiles)


def beside(fan: Fan, rows: slice) -> Fan:
    """Intervals of which some hold nothing."""
    bounds = fan.bounds.copy()
    bounds[rows] += 60
    return Fan(fan.point, bounds, fan.quantiles)


def test_intervals_of_each_target_are_looked_at_and_those_that_are_broken_named() -> None:
    """Of two targets each look has half the doubt of one alone."""
    case, own = case_of(TARGETS), fans(house=3, heat=3)
    sound = comparison._coverage(case, own | {"heat": beside(own["heat"], slice(18))})
    assert sound.passed
    assert sound.message.startswith("house: 90 % intervals hold 100.0 % of the readings")
    assert "; heat: 90 % intervals hold 87.5 % of" in sound.message
    broken = comparison._coverage(case, own | {"heat": beside(own["heat"], slice(None, None, 2))})
    assert (broken.name, broken.passed) == ("coverage", False)
    assert broken.message.startswith("heat: 90 % intervals hold 50.0 % of the readings")
    assert "house" not in broken.message
    assert (broken.numbers["held_90"], broken.numbers["held_90.heat"]) == (1, 0.5)
    assert {"low_90.heat", "high_90.heat", "held_90_at_2.heat"} <= broken.numbers.keys()
    alone = comparison._coverage(case_of(("heat",)), {"heat": beside(own["heat"], slice(18))})
    assert alone.message.startswith("90 % intervals hold 87.5 %")
    assert alone.numbers["held_90"] == sound.numbers["held_90.heat"]
    assert alone.numbers["low_90"] > sound.numbers["low_90.heat"]


def test_intervals_of_a_further_target_may_not_be_worse_than_the_champions() -> None:
    own, theirs, found = fans(house=3, heat=3), fans(house=4, heat=3), nobody()
    winkler, *_ = comparison._champion(
        case_of(TARGETS), champion_of(TARGETS), own | {"heat": too_wide(own["heat"])}, theirs, found
    )
    assert (winkler.name, winkler.passed) == ("winkler", False)
    assert winkler.message.startswith("heat: 90 % intervals are worse than the champion's: Winkler score of 300.00 Wh")
    assert (winkler.numbers["challenger_90"], winkler.numbers["challenger_90.heat"]) == (100, 300)
    assert {name: list(made) for name, made in found.items()} == {"house": ["champion"], "heat": ["champion"]}


def test_one_target_is_not_named() -> None:
    alone = TARGETS[:1]
    _, beaten = comparison._champion(case_of(alone), champion_of(alone), fans(house=3), fans(house=4), nobody())
    assert beaten.message.startswith("beats the champion: RMSE of 3.00 Wh")


def test_what_the_champion_does_not_forecast_is_not_compared() -> None:
    case = case_of(TARGETS)
    gate = case.prepared.experiment.gate.model_copy(update={"allow_new_signature": True})
    case.prepared.experiment = case.prepared.experiment.model_copy(update={"gate": gate})
    champion = champion_of(TARGETS[:1])
    assert comparison._promised(case, champion) == (("house",), QUANTILES)
    assert comparison._promised(case, champion_of(TARGETS)) == (TARGETS, QUANTILES)
    checks = comparison._champion(case, champion, fans(house=3, heat=1), fans(house=4), nobody())
    assert [check.name for check in checks] == ["winkler", "champion"]
