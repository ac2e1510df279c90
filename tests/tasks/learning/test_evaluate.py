"""Scores beside baselines: which model is scored where, on which rows, under which names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from wattcast.model.baseline import Mean, Persistence, Predictor, SeasonalNaive
from wattcast.model.clean import check_readings
from wattcast.model.readings import ReadingsConfig
from wattcast.model.scaler import ScaleConfig, fit_scaler
from wattcast.model.split import Split, SplitConfig, split_rows
from wattcast.model.windows import WindowConfig, Windows, make_series, make_windows, named_leads
from wattcast.tasks.learning.boosting import BaselinesConfig, BoostedTrees
from wattcast.tasks.learning.evaluate import Evaluation, evaluate

READINGS = ReadingsConfig(targets=("Appliances", "lights"), features=())
WINDOW = WindowConfig(lookback=3, steps_ahead=2, output_length=2)


@dataclasses.dataclass(frozen=True)
class Constant:
    """Forecasts one number, always."""

    value: float

    def predict(self, windows: Windows) -> np.ndarray:
        return np.full(windows.actual.shape, self.value)


@pytest.fixture(scope="module")
def windows(house: pd.DataFrame) -> Split[Windows]:
    frame = check_readings(house.head(600), READINGS)
    rows = split_rows(pd.DatetimeIndex(frame.index), SplitConfig())
    scaler = fit_scaler(frame.iloc[: rows.train.stop], READINGS.targets, READINGS.features, ScaleConfig())
    series = make_series(frame, READINGS, scaler)
    return rows.map(lambda part: make_windows(series, part, READINGS.cadence, WINDOW))


def run(
    windows: Split[Windows],
    selected: Predictor,
    product: Predictor,
    known: Windows | None = None,
    *,
    lightgbm: bool = False,
) -> Evaluation:
    return evaluate(
        selected,
        product,
        windows,
        known=known or windows.train,
        targets=READINGS.targets,
        block=READINGS.steps_a_day,
        unit="Wh",
        baselines=BaselinesConfig(lightgbm=lightgbm),
    )


def test_what_was_selected_is_scored_on_training_and_validation_and_the_product_on_test(
    windows: Split[Windows],
) -> None:
    evaluation = run(windows, Constant(0), Constant(50))
    for part, value in (("train", 0), ("validation", 0), ("test", 50)):
        rows = evaluation.forecasts[evaluation.forecasts["part"] == part]
        assert (rows["gru"] == value).all()


def test_scores_are_of_each_target_by_itself(windows: Split[Windows]) -> None:
    evaluation = run(windows, Constant(0), Constant(50))
    for k, target in enumerate(READINGS.targets):
        actual = windows.test.actual[..., k].astype(float)
        score = evaluation.score("gru", "test", target)
        assert score.rmse == pytest.approx(np.sqrt(((actual - 50) ** 2).mean()))
        assert score.mae == pytest.approx(np.abs(actual - 50).mean())
        persistence = evaluation.score("persistence", "test", target)
        assert score.skill == pytest.approx(1 - score.rmse / persistence.rmse)
        assert persistence.skill == 0
    assert len(evaluation.scores) == 3 * 2 * 6


def test_the_baselines_of_the_test_part_know_what_the_product_knows(windows: Split[Windows]) -> None:
    known = windows.train + windows.validation
    evaluation = run(windows, Constant(0), Constant(0), known)
    table = evaluation.forecasts
    first = table[table["target"] == "Appliances"].groupby("part")["mean"].first()
    assert first["test"] == pytest.approx(known.actual[..., 0].mean(), rel=1e-6)
    assert first["validation"] == first["train"] == pytest.approx(windows.train.actual[..., 0].mean(), rel=1e-6)
    assert first["test"] != first["train"]


def test_metric_names(windows: Split[Windows]) -> None:
    evaluation = run(windows, Constant(0), Constant(0))
    metrics = evaluation.metrics()
    parts = [f"{part}_{name}" for part in ("train", "val", "test") for name in ("rmse", "mae", "r2", "mape", "skill")]
    baselines = [
        f"test_vs_{name}_{metric}"
        for name in ("mean", "persistence", "daily_naive", "weekly_naive", "ridge")
        for metric in ("rmse", "mae")
    ]
    leads = [
        f"{name}_at_{lead}"
        for lead in (2, 3)
        for name in ("test_rmse", "test_mae", "test_skill", *(name for name in baselines if name.endswith("rmse")))
    ]
    regimes = {name for name in metrics if "idle" in name or "spikes" in name}
    assert regimes == {"test_rmse_idle", "test_rmse_idle.lights", "test_rmse_spikes", "test_recall_spikes"}
    named = {f"{name}{suffix}" for name in parts + baselines + leads for suffix in ("", ".lights")}
    assert set(metrics) - regimes == named  # zero warns of no spike, and of lights there is none
    held_out = evaluation.metrics("holdout")
    assert not [name for name in held_out if name.startswith("test_")]  # of other rows than a training's test part
    assert list(held_out.values()) == list(metrics.values())


def test_each_lead_time_of_the_test_part_is_scored_by_itself(windows: Split[Windows]) -> None:
    evaluation = run(windows, Constant(0), Constant(50))
    assert len(evaluation.by_lead) == 6 * 2 * 2
    for lead in evaluation.by_lead:
        score, (step, k) = lead.score, (lead.steps_ahead - 2, READINGS.targets.index(lead.score.target))
        actual = windows.test.actual[:, step, k]
        persistence = np.sqrt(((Persistence().predict(windows.test)[:, step, k] - actual) ** 2).mean())
        if score.model == "gru":
            assert score.rmse == pytest.approx(np.sqrt(((actual - 50) ** 2).mean()))
            assert score.mae == pytest.approx(np.abs(actual - 50).mean())
            assert evaluation.metrics()[f"test_rmse_at_{lead.steps_ahead}{'.lights' if k else ''}"] == score.rmse
        assert score.part == "test"
        assert score.skill == pytest.approx(1 - score.rmse / persistence)
    mse = [
        lead.score.rmse**2 for lead in evaluation.by_lead if (lead.score.model, lead.score.target) == ("gru", "lights")
    ]
    assert np.mean(mse) == pytest.approx(evaluation.score("gru", "test", "lights").rmse ** 2)


@pytest.mark.parametrize(
    ("options", "day", "expected"),
    [
        ({}, 144, ()),
        ({"output_length": 2}, 144, (1, 2)),
        ({"output_length": 6}, 144, (1, 6)),
        ({"output_length": 288}, 144, (1, 6, 36, 144, 288)),
        ({"output_length": 144, "steps_ahead": 12}, 144, (12, 36, 144, 155)),
        ({"output_length": 48}, 24, (1, 6, 24, 48)),
        ({"output_length": 30}, 48, (1, 2, 12, 30)),
        ({"output_length": 30}, 20, (1, 5, 20, 30)),
    ],
)
def test_the_lead_times_that_stand_for_all(options: dict[str, int], day: int, expected: tuple[int, ...]) -> None:
    """First, last, and an hour, six hours and a day where they lie between and are whole steps."""
    assert named_leads(WindowConfig(**options), day) == expected


def test_many_steps_are_scored_one_by_one_and_logged_by_few_names(house: pd.DataFrame) -> None:
    """Two days of ten minutes; the table holds them all of the test part alone."""
    frame = check_readings(house, READINGS)
    rows = split_rows(pd.DatetimeIndex(frame.index), SplitConfig())
    scaler = fit_scaler(frame.iloc[: rows.train.stop], READINGS.targets, READINGS.features, ScaleConfig())
    config, series = WindowConfig(lookback=6, output_length=288), make_series(frame, READINGS, scaler)
    windows = rows.map(lambda part: make_windows(series, part, READINGS.cadence, config))
    evaluation = run(windows, Constant(100), Constant(100))
    assert evaluation.named == (1, 6, 36, 144, 288)
    assert [lead.steps_ahead for lead in evaluation.by_lead[:288]] == list(range(1, 289))
    assert len(evaluation.by_lead) == 6 * 2 * 288
    regimes = [name for name in evaluation.metrics() if "idle" in name or "spikes" in name]
    assert len(evaluation.metrics()) - len(regimes) == 2 * (15 + 10 + 5 * 8)
    for part, few in (("train", 5), ("validation", 5), ("test", 288)):
        of = evaluation.forecasts[evaluation.forecasts["part"] == part]
        assert len(of) == len(getattr(windows, part)) * few * 2
        ahead = sorted(set((of["time"] - of["made_at"]) / READINGS.cadence))
        assert ahead == (list(range(1, 289)) if part == "test" else [1, 6, 36, 144, 288])
        assert (
            of["actual"].to_numpy() == frame[["Appliances", "lights"]].loc[of["time"][::2]].to_numpy().ravel()
        ).all()


def test_the_table_has_a_row_for_each_window_step_and_target(windows: Split[Windows]) -> None:
    table = run(windows, Constant(0), Persistence()).forecasts
    test = table[table["part"] == "test"]
    assert len(test) == len(windows.test) * 2 * 2
    first = test.iloc[:4]
    newest = windows.test.series.times[windows.test.newest_row[0]]
    assert first["made_at"].tolist() == [newest] * 4
    assert first["time"].tolist() == [newest + pd.Timedelta(minutes=m) for m in (20, 20, 30, 30)]
    assert first["target"].tolist() == ["Appliances", "lights"] * 2
    np.testing.assert_array_equal(first["actual"], windows.test.actual[0].ravel())
    np.testing.assert_array_equal(test["gru"], Persistence().predict(windows.test).ravel())
    np.testing.assert_array_equal(test["daily_naive"], SeasonalNaive(days=1).predict(windows.test).ravel())
    np.testing.assert_allclose(test["mean"], Mean.fit(windows.train).predict(windows.test).ravel(), rtol=1e-6)


def test_the_diagnosis_reads_the_first_target(windows: Split[Windows]) -> None:
    evaluation = run(windows, Constant(1000), Constant(0))
    assert evaluation.diagnosis.verdict.startswith("underfit")
    assert f"{evaluation.score('gru', 'train').rmse:.1f} Wh" in evaluation.diagnosis.reason
    assert evaluation.diagnosis.reason.startswith(f"of {READINGS.targets[0]}, the training error")


def test_lightgbm_has_a_row_of_its_own_fitted_on_the_rows_of_the_others(windows: Split[Windows]) -> None:
    known = windows.train + windows.validation
    evaluation = run(windows, Constant(0), Constant(0), known, lightgbm=True)
    grown = BoostedTrees.fit(windows.train, windows.validation)
    expected = {"train": grown, "validation": grown, "test": grown.refit(known)}
    for part, of in windows.items():
        rows = evaluation.forecasts[evaluation.forecasts["part"] == part]
        np.testing.assert_allclose(rows["lightgbm"], expected[part].predict(of).ravel(), rtol=1e-6)
    assert {"test_vs_lightgbm_rmse", "test_vs_lightgbm_rmse_at_2", "test_vs_lightgbm_mae.lights"} <= set(
        evaluation.metrics()
    )
    assert evaluation.absent == ""


def test_lightgbm_that_is_not_installed_is_told_with_the_way_to_have_it(
    windows: Split[Windows], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattcast.tasks.learning.boosting.find_spec", lambda name: None)
    evaluation = run(windows, Constant(0), Constant(0), lightgbm=True)
    assert "not installed" in evaluation.absent
    assert "pip install --editable '.[baselines]'" in evaluation.absent
    assert "lightgbm" not in evaluation.forecasts
    assert run(windows, Constant(0), Constant(0)).absent == ""  # nobody asked for it


def test_lightgbm_that_cannot_be_loaded_is_told_with_the_reason(
    windows: Split[Windows], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("wattcast.tasks.learning.boosting.import_module", fail)
    assert "libgomp.so.1" in run(windows, Constant(0), Constant(0), lightgbm=True).absent


def test_a_forecast_is_told_which_baseline_it_does_not_beat(windows: Split[Windows]) -> None:
    """Each target and each error by itself; level is not beaten."""
    base = run(windows, Constant(0), Constant(0))

    def with_errors(**errors: tuple[float, float]) -> Evaluation:
        scores = (
            dataclasses.replace(score, rmse=errors.get(score.model, (9, 9))[0], mae=errors.get(score.model, (9, 9))[1])
            for score in base.scores
        )
        return dataclasses.replace(base, scores=tuple(scores))

    assert with_errors(gru=(4, 4)).unbeaten("lights") == ""
    assert with_errors(gru=(4, 4), ridge=(2, 5), mean=(3, 5)).unbeaten("lights", {"ridge": "Ridge"}) == (
        "The forecasts of lights do not beat the best baseline in RMSE (Ridge has 2.00 Wh, 50.0 % less)."
    )
    assert with_errors(gru=(4, 4), ridge=(5, 4)).unbeaten("Appliances") == (
        "The forecasts of Appliances do not beat the best baseline in MAE (ridge has 4.00 Wh, as much)."
    )
    assert "in RMSE (mean has 3.00 Wh, 25.0 % less) and in MAE (ridge has 0.0 Wh, 100.0 % less)" in with_errors(
        gru=(4, 4), mean=(3, 9), ridge=(5, 0)
    ).unbeaten("lights")
    assert "as much" in with_errors(gru=(0, 0), ridge=(0, 0)).unbeaten("lights")


@pytest.mark.parametrize("level", [1e9, 1e12])
def test_a_load_far_above_what_it_varies_by_has_the_same_errors(house: pd.DataFrame, level: float) -> None:
    """Nothing on the way from readings to scores is float32."""

    def scored(above: float) -> Evaluation:
        frame = house.head(600).assign(Appliances=lambda readings: readings["Appliances"] + above)
        clean = check_readings(frame, READINGS)
        rows = split_rows(pd.DatetimeIndex(clean.index), SplitConfig())
        scaler = fit_scaler(clean.iloc[: rows.train.stop], READINGS.targets, READINGS.features, ScaleConfig())
        series = make_series(clean, READINGS, scaler)
        parts = rows.map(lambda part: make_windows(series, part, READINGS.cadence, WINDOW))
        return run(parts, Persistence(), Persistence(), lightgbm=True)

    low, high = scored(0.0), scored(level)
    assert low.score("persistence", "test").rmse > 10
    for one, other in zip(low.scores, high.scores, strict=True):
        assert (one.model, one.part, one.target) == (other.model, other.part, other.target)
        near = 0.3 if one.model == "lightgbm" else 0.01  # trees round where they cut
        assert other.rmse == pytest.approx(one.rmse, rel=near)
        assert other.mae == pytest.approx(one.mae, rel=near)
    assert low.regimes is not None
    assert high.regimes is not None
    for below, above in zip(low.regimes.scores, high.regimes.scores, strict=True):
        if below.model != "lightgbm":
            assert above.rmse == pytest.approx(below.rmse, rel=0.01, nan_ok=True)


@pytest.mark.parametrize(
    ("minutes", "days", "told"),
    [
        (10, 4, "of whole weeks before is known, so that weekly_naive is the newest reading"),
        (7, 4, "of whole days or weeks before is known, so that daily_naive and weekly_naive are the newest reading"),
        (7, 40, "of whole days before is known, so that daily_naive is the newest reading"),
        (60, 40, ""),
    ],
)
def test_a_seasonal_naive_forecast_that_knows_no_season_is_told_to_be_persistence(minutes, days, told):
    readings = ReadingsConfig(targets=("wh",), cadence_minutes=minutes)
    rows = days * 1440 // minutes
    raw = pd.DataFrame({"date": pd.date_range("2016-01-11", periods=rows, freq=f"{minutes}min")})
    raw["wh"] = np.random.default_rng(1).uniform(1, 9, rows)
    frame = check_readings(raw, readings)
    parts = split_rows(pd.DatetimeIndex(frame.index), SplitConfig())
    scaler = fit_scaler(frame.iloc[: parts.train.stop], readings.targets, (), ScaleConfig())
    series = make_series(frame, readings, scaler)
    made = parts.map(lambda part: make_windows(series, part, readings.cadence, WindowConfig(lookback=3)))
    found = evaluate(
        Constant(0),
        Constant(0),
        made,
        known=made.train,
        targets=readings.targets,
        block=readings.steps_a_day,
        unit="Wh",
        baselines=BaselinesConfig(lightgbm=False),
    )
    assert told in found.seasonless
    assert bool(told) == bool(found.seasonless)
    if "daily" in told:
        assert found.score("daily_naive", "test").rmse == found.score("persistence", "test").rmse
