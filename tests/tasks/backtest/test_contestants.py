"""All that forecasts a fold: baselines, foundation models and a user's own, and what happens to those that fail."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from contests import WINDOW, a_fold, own_imports
from tiny import house, prepare

from wattcast.model.baseline import RidgeOnLags, SeasonalNaive
from wattcast.model.errors import InputError
from wattcast.model.intervals import Intervals
from wattcast.model.revisions import Revisions
from wattcast.tasks.backtest import foundation
from wattcast.tasks.backtest.against import BASELINES, baselines, find_contestant, simplest_first
from wattcast.tasks.backtest.contest import Contestant, Failed, Fold, Forecasts
from wattcast.tasks.backtest.contestants import Baseline, forecast_fold
from wattcast.tasks.learning import boosting
from wattcast.tasks.learning.leakage import LeakageError

MINE = """
import numpy as np
import pandas as pd

class Mine:
    def fit(self, readings):
        {fit}

    def forecast(self, readings, ahead):
        {forecast}
"""
NEWEST = "return np.full(len(ahead), readings['Appliances'].iloc[-1])"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Contestant]]:
    """Writes a user's module into the current folder, and gives the contestant that its class is."""
    monkeypatch.chdir(tmp_path)

    def write(*, fit: str = "pass", forecast: str = NEWEST, text: str = MINE) -> Contestant:
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "forecasts.py").write_text(text.format(fit=fit, forecast=forecast), encoding="utf-8")
        found = find_contestant("mine.forecasts:Mine")
        assert found is not None
        return found

    with own_imports():
        yield write


def only(contestant: Contestant, of: Fold) -> Forecasts | Failed:
    return forecast_fold([contestant], of)[0][contestant.name]


def reason(contestant: Contestant, of: Fold) -> str:
    outcome = only(contestant, of)
    assert isinstance(outcome, Failed)
    assert "\n" not in outcome.reason
    return outcome.reason


def test_baselines_are_fitted_on_what_a_product_may_know():
    of = a_fold()
    outcomes, seconds = forecast_fold(baselines(lightgbm=False)[0], of)
    assert list(outcomes) == list(seconds) == ["persistence", "daily_naive", "weekly_naive", "ridge"]
    assert np.array_equal(outcomes["ridge"].point, RidgeOnLags.fit(of.known).predict(of.scored))
    assert np.array_equal(outcomes["daily_naive"].point, SeasonalNaive(days=1).predict(of.scored))
    assert all(outcome.bounds is None for outcome in outcomes.values())
    assert all(0 < value < 60 for value in seconds.values())


def test_their_intervals_come_from_validation_which_what_is_calibrated_has_not_seen():
    of = a_fold(levels=(0.5,))
    made = only(Baseline("ridge"), of)
    before = RidgeOnLags.fit(of.train).predict(of.validation)
    expected = Intervals.fit(before, of.validation, of.intervals).around(made.point, of.scored)
    assert np.array_equal(made.bounds, expected)
    assert made.bounds.shape == (len(of.scored), 3, 1, 3)


def test_boosted_trees_stand_beside_them_where_lightgbm_is_installed(monkeypatch: pytest.MonkeyPatch):
    of, (all_of_them, absent) = a_fold(levels=(0.5,)), baselines(lightgbm=True)
    assert absent == ""
    assert tuple(each.name for each in all_of_them) == BASELINES
    made = only(all_of_them[-1], of)
    assert made.bounds.shape == (len(of.scored), 3, 1, 3)
    monkeypatch.setattr(boosting, "find_spec", lambda _: None)
    others, absent = baselines(lightgbm=True)
    assert "lightgbm" not in {each.name for each in others}
    assert "is not installed" in absent
    with pytest.raises(InputError, match="LightGBM, the strongest baseline, is not installed"):
        find_contestant("lightgbm")


def test_contestants_are_found_by_name():
    assert find_contestant("weekly_naive") == Baseline("weekly_naive")
    assert find_contestant("lightgbm").name == "lightgbm"
    assert find_contestant("recommended-mae") is None
    assert find_contestant("house.toml") is None
    assert find_contestant("C:/house.toml") is None
    assert simplest_first(["ours", "lightgbm", "mine:A", "persistence"]) == [
        "persistence",
        "lightgbm",
        "ours",
        "mine:A",
    ]


@dataclass(frozen=True)
class Made:
    """A contestant that gives what it is told to."""

    outcome: Forecasts | Exception
    name: str = "made"

    def forecast(self, fold: Fold) -> Forecasts:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_what_cannot_be_scored_is_told_and_the_others_go_on():
    of = a_fold(levels=(0.9,))
    count = len(of.scored)
    point = np.ones((count, 3, 1))
    hole = point.copy()
    hole[4, 1] = np.nan
    bounds = np.tile([0.0, 1.0, 2.0], (count, 3, 1, 1))
    cases = {
        "few": (Forecasts(point[1:]), f"its forecasts have the shape ({count - 1}, 3, 1), expected ({count}, 3, 1): "),
        "hole": (Forecasts(hole), f"1 of its {3 * count} forecasts are NaN or infinite, the first at step 2 of the "),
        "quantiles": (Forecasts(point, bounds[..., :2]), f"its quantiles have the shape ({count}, 3, 1, 2), expected "),
        "crossing": (Forecasts(point, bounds[..., ::-1]), "its quantiles cross"),
        "raises": (RuntimeError("no\nluck"), "RuntimeError: no luck (test_contestants.py, line "),
    }
    contestants = [Made(outcome, name) for name, (outcome, _) in cases.items()]
    outcomes, _ = forecast_fold([*contestants, Baseline("persistence")], of)
    for name, (_, words) in cases.items():
        assert outcomes[name].reason.startswith(words), outcomes[name].reason
    assert isinstance(outcomes["persistence"], Forecasts)
    assert isinstance(only(Made(Forecasts(point, bounds)), of), Forecasts)


@pytest.mark.parametrize("error", [InputError("mend it"), LeakageError("leak")])
def test_what_makes_a_whole_backtest_worthless_ends_it(error: Exception):
    with pytest.raises(type(error)):
        forecast_fold([Made(error)], a_fold())


def test_a_class_of_ones_own_forecasts_beside_the_others(mine: Callable[..., Contestant]):
    of = a_fold(levels=(0.9,))
    made = only(mine(), of)
    assert np.array_equal(made.point, only(Baseline("persistence"), of).point)
    assert made.bounds is None
    table = (
        "load = readings['Appliances'].iloc[-1]; "
        "return pd.DataFrame({'Appliances': load, 'Appliances_p95': load + 2, 'Appliances_p50': load, "
        "'Appliances_p05': load - 1}, index=ahead.index)"
    )
    sys.modules.pop("mine.forecasts")
    made = only(mine(forecast=table), of)
    assert np.array_equal(made.bounds, made.point[..., None] + np.array([-1, 0, 2]))
    assert np.array_equal(only(find_contestant("mine.forecasts:Mine"), a_fold()).point, made.point)  # without intervals


def test_it_gives_two_targets_side_by_side(mine: Callable[..., Contestant]):
    of = a_fold(targets=("Appliances", "lights"))
    made = only(mine(forecast="return np.tile([1.0, 2.0], (len(ahead), 1))"), of)
    assert made.point.shape == (len(of.scored), 3, 2)
    assert (made.point == [1, 2]).all()


def test_it_is_made_anew_in_each_fold_and_sees_the_readings_that_it_may_know(mine: Callable[..., Contestant]):
    of = a_fold()
    contestant = mine(
        fit="assert not hasattr(self, 'seen'); self.seen = readings",
        forecast="type(self).calls = getattr(type(self), 'calls', []) + [(self.seen, readings, ahead)]; "
        "return ahead['T_out']",
    )
    for _ in range(2):
        assert isinstance(only(contestant, of), Forecasts)
    calls = sys.modules["mine.forecasts"].Mine.calls
    assert len(calls) == 2 * len(of.scored)
    times = of.frame.index
    fitted = calls[0][0]
    assert fitted.equals(of.frame.loc[: of.cut, ["Appliances", "T_out"]])
    for place, (_, readings, ahead) in enumerate(calls[: len(of.scored)]):
        newest = of.scored.newest_row[place]
        assert readings.index[-1] == times[newest]
        assert readings.equals(of.frame[["Appliances", "T_out"]].iloc[: newest + 1])
        assert ahead.index.equals(times[of.scored.target_rows[place]])
        assert ahead.columns.tolist() == ["T_out"]


def test_of_known_columns_it_sees_what_was_known_at_the_moment(mine: Callable[..., Contestant]):
    of = a_fold()
    newest = of.frame[["T_out"]]
    hour = pd.Timedelta(hours=1)
    first = Revisions.from_the_start(newest + 5)
    given = pd.concat([first.given, newest]).iloc[np.arange(2 * len(newest)).reshape(2, -1).T.ravel()]
    available = first.available_at.append(pd.DatetimeIndex(newest.index) - hour / 3)  # two steps before
    revised = Revisions(given, available[np.arange(2 * len(newest)).reshape(2, -1).T.ravel()])
    made = only(mine(forecast="return ahead['T_out']"), replace(of, revisions=revised))
    assert isinstance(made, Forecasts), made
    temperatures = newest.to_numpy()[of.scored.target_rows, 0]
    ahead = of.scored.target_rows - of.scored.newest_row[:, None]  # [N, L] steps
    np.testing.assert_allclose(made.point[..., 0], temperatures + np.where(ahead > 2, 5, 0))
    assert {2, 3} <= set(ahead.ravel().tolist())


def test_it_cannot_see_the_future_nor_change_the_past(mine: Callable[..., Contestant]):
    """Not even by the memory behind what it is given; and other readings to come change no forecast."""
    peek = """
        for values in (readings.to_numpy(), readings['Appliances'].to_numpy()):
            while values.base is not None:
                values = values.base
            assert values.size <= readings.size, values.shape
        readings.iloc[:] = 0
        {done}
"""
    contestant = mine(
        fit=peek.format(done="pass"),
        forecast="newest = readings['Appliances'].iloc[-1]" + peek.format(done="return [newest] * len(ahead)"),
    )
    of = a_fold()
    frame = of.frame.copy()
    first = only(contestant, of)
    assert isinstance(first, Forecasts), first
    assert of.frame.equals(frame)
    assert np.array_equal(first.point, only(Baseline("persistence"), of).point)
    later = of.frame.copy()
    moment = int(of.scored.newest_row[9])
    later.iloc[moment + 1 :] *= 7
    again = only(contestant, replace(of, frame=later))
    assert np.array_equal(first.point[:10], again.point[:10])
    assert not np.array_equal(first.point, again.point)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"fit": "raise ValueError('no\\nfit')"}, "fit raised ValueError: no fit (forecasts.py, line 7)"),
        ({"fit": "import sys; sys.exit(3)"}, "fit raised SystemExit: 3 (forecasts.py, line 7)"),
        ({"fit": "raise GeneratorExit('no more')"}, "fit raised GeneratorExit: no more (forecasts.py, line 7)"),
        ({"fit": "raise KeyboardInterrupt"}, "fit raised KeyboardInterrupt (forecasts.py, line 7)"),
        (
            {"fit": "raise type('Mute', (Exception,), {'__str__': lambda self: self.words})"},
            "fit raised Mute: and cannot say why: AttributeError (forecasts.py, line 7)",
        ),
        (
            {"fit": "raise ValueError('\\x1b[2J \\ud800')"},
            r"fit raised ValueError: \x1b[2J \ud800 (forecasts.py, line 7)",
        ),
        (
            {"forecast": "return np.linalg.inv(np.zeros((2, 2)))"},
            "raised LinAlgError: Singular matrix (forecasts.py, line 10)",
        ),
        ({"forecast": "return np.ones(len(ahead) - 1)"}, "returned 2 steps, expected 3 steps"),
        ({"forecast": "return [1]"}, "returned 1 step, expected 3 steps"),
        ({"forecast": "return np.ones((2, 3, 4))"}, "returned the shape (2, 3, 4), expected 3 steps"),
        ({"forecast": "return np.ones((3, 2))"}, "returned the shape (3, 2), expected 3 steps"),
        ({"forecast": "return 5.0"}, "returned 5.0, expected 3 steps"),
        ({"forecast": "return None"}, "returned None, expected 3 steps"),
        ({"forecast": "return ['a', 'b', 'c']"}, "returned list, which is no array of numbers"),
        ({"forecast": "return ['1', '2', '3']"}, "returned list, which is no array of numbers"),
        (
            {"forecast": "return pd.DataFrame({'Appliances': pd.Series(['1', 2, 3], ahead.index, object)})"},
            "returned DataFrame, which is no array of numbers",
        ),
        ({"forecast": "return np.array([1, True, 3], object)"}, "returned ndarray, which is no array of numbers"),
        (
            {"forecast": "return np.ma.masked_array([1, 2, 3], mask=[0, 1, 0])"},
            "returned nan for 'Appliances' at step 2 of 3, expected finite numbers",
        ),
        ({"forecast": "return np.array([1, 2j, 3])"}, "returned ndarray, which is no array of numbers"),
        ({"forecast": "return ahead.index"}, "returned DatetimeIndex, which is no array of numbers"),
        ({"forecast": "return ahead.index - ahead.index[0]"}, "returned TimedeltaIndex, which is no array of numbers"),
        ({"forecast": "return [1, 2, 1e300]"}, "returned 1e+300 for 'Appliances' at step 3 of 3, expected finite"),
        (
            {"forecast": "return [1, float('nan'), 2]"},
            "returned nan for 'Appliances' at step 2 of 3, expected finite numbers",
        ),
        ({"forecast": "return [1, 2, float('inf')]"}, "returned inf for 'Appliances' at step 3 of 3, expected finite"),
        (
            {"forecast": "return pd.DataFrame({'load': [1, 2, 3]})"},
            "returned a table without the column 'Appliances', received ['load']",
        ),
        (
            {"forecast": "return pd.DataFrame({'Appliances': 1.0, 'Appliances_p05': 0.0}, index=ahead.index)"},
            "returned quantiles without 'Appliances_p50', expected all of",
        ),
        (
            {"forecast": "return pd.Series(1.0, index=readings.index[-3:])"},
            "expected the 3 of ahead, from ",
        ),
        (
            {
                "forecast": "return pd.DataFrame({name: [value] * 3 for name, value in (('Appliances', 1.0), "
                "('Appliances_p05', 3.0), ('Appliances_p50', 2.0), ('Appliances_p95', 1.0))})"
            },
            "its quantiles cross",
        ),
        (
            {
                "forecast": "self.n = getattr(self, 'n', 0) + 1; names = ['Appliances'] + ['Appliances_p05', "
                "'Appliances_p50', 'Appliances_p95'] * (self.n == 1); "
                "return pd.DataFrame(1.0, index=ahead.index, columns=names)"
            },
            "it gives quantiles in 1 of ",
        ),
    ],
)
def test_what_is_wrong_with_its_forecasts_is_said_in_one_line(
    parts: dict[str, str], words: str, mine: Callable[..., Contestant]
):
    outcomes, _ = forecast_fold([mine(**parts), Baseline("persistence")], of := a_fold(levels=(0.9,)))
    assert words in outcomes["mine.forecasts:Mine"].reason
    if "forecast" in parts and "quantiles" not in words:
        first = of.frame.index[of.scored.newest_row[0]]
        assert outcomes["mine.forecasts:Mine"].reason.startswith(f"forecast at {first}")
    assert isinstance(outcomes["persistence"], Forecasts)


CLASS = "class Mine:\n    def fit(self, readings): ...\n"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("mine:", "", "a forecaster is named as package.module:Class, such as mine.forecasts:Mine, received 'mine:'"),
        ("mine/alone.py:Mine", "", "a forecaster is named as package.module:Class"),
        ("nowhere.alone:Mine", "", "there is no module 'nowhere' for 'nowhere.alone:Mine': neither nowhere.py in "),
        ("alone.deeper:Mine", "", "there is no module 'alone.deeper'|'alone.deeper' cannot be imported"),
        (
            "alone:Mine",
            "import nothing_of_that_name",
            "'alone' cannot be imported for 'alone:Mine': ModuleNotFoundError",
        ),
        ("alone:Mine", "def (", "'alone' cannot be imported for 'alone:Mine': SyntaxError"),
        ("alone:Mine", "raise SystemExit(1)", "'alone' cannot be imported for 'alone:Mine': SystemExit"),
        ("alone:Mien", CLASS, "there is no class 'Mien' in 'alone': did you mean 'Mine'?"),
        ("alone:Other", "", "there is no class 'Other' in 'alone': expected a class with fit(self, readings) and "),
        ("alone:Mine", "Mine = 3", "'Mine' is no class in 'alone'"),
        ("alone:Mine", CLASS, "'alone:Mine' has no method forecast(self, readings, ahead): expected a class with fit"),
        (
            "alone:Mine",
            CLASS + "    def forecast(self, readings): ...",
            "'alone:Mine' has forecast(self, readings), expected forecast(self, readings, ahead)",
        ),
        (
            "alone:Mine",
            CLASS + "    def forecast(self, readings, ahead): ...\n    def __init__(self, depth): ...",
            "'alone:Mine' cannot be made without arguments, received Mine(depth)",
        ),
    ],
)
@pytest.mark.usefixtures("mine")
def test_a_path_that_leads_to_no_forecaster_is_refused_before_anything_is_trained(path: str, text: str, words: str):
    Path("alone.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as told:
        find_contestant(path)
    assert any(each in str(told.value) for each in words.split("|")), told.value


def test_the_current_folder_comes_before_what_is_installed_while_the_class_is_imported(mine: Callable[..., Contestant]):
    Path("alone.py").write_text("from mine.forecasts import Mine", encoding="utf-8")
    mine()
    before = sys.path[0]
    assert find_contestant("alone:Mine").name == "alone:Mine"
    assert sys.path[0] == before
    assert sys.path[-1] == str(Path.cwd())  # for what it imports later


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: object) -> None:
    """A module of that name, as if it were installed."""
    module = ModuleType(name)
    module.__dict__.update(content)
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    monkeypatch.setitem(sys.modules, name, module)
    foundation._fracast.cache_clear()
    foundation._chronos.cache_clear()


class FracastStandIn:
    """The face of the library's class; it forecasts the newest reading, and a tenth more a decile."""

    context_length, quantiles = 7, [0.4, 0.5, 0.6]

    @classmethod
    def from_pretrained(cls, *, weights: str) -> FracastStandIn:
        assert weights == "fp32"
        return cls()

    def forecast_batch(self, context: np.ndarray, *, horizon: int) -> np.ndarray:
        assert context.shape[1] == 7
        assert context.dtype == np.float32
        steps = context[:, -1, None, None] + np.arange(horizon)[None, :, None]
        return steps + np.array([-1.0, 0.0, 1.0])


def test_fracast_stands_among_them_as_a_forecast_of_the_median(monkeypatch: pytest.MonkeyPatch):
    stand_in(monkeypatch, "fracast", FracastModel=FracastStandIn)
    of = a_fold(levels=(0.5,))
    made = only(find_contestant("fracast"), of)
    newest = of.scored.series.readings[of.scored.newest_row]
    assert np.allclose(made.point[..., 0], newest + np.array([1, 2, 3]))  # the first step lies two steps ahead
    assert made.bounds.shape == (len(of.scored), 3, 1, 3)


def test_a_foundation_model_that_is_not_installed_is_refused_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(foundation, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"fracast is not installed: pip install --editable '.\[foundation\]'"):
        find_contestant("fracast")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=r"chronos-forecasting.* is not installed: pip install --editable '.\[chronos\]'"
    ):
        find_contestant(f"chronos:{tmp_path}")


def test_chronos_needs_a_folder_with_its_weights(tmp_path: Path):
    wanted = "expected chronos:/path/to/folder with the config.json and model.safetensors of a Chronos-2"
    with pytest.raises(InputError, match="there is no folder '/no/such' for 'chronos:/no/such'") as told:
        find_contestant("chronos:/no/such")
    assert wanted in str(told.value)
    with pytest.raises(InputError, match="there is no folder"):
        find_contestant("chronos:")
    (tmp_path / "config.json").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(InputError, match=r"lacks model\.safetensors"):
        find_contestant(f"chronos:{tmp_path}")


def test_chronos_is_given_one_series_a_forecast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """With a stand-in for the library, whose own weights cannot be had here."""

    class Tensor:
        def __init__(self, values: np.ndarray) -> None:
            self.values = values

        def __getitem__(self, place: int) -> Tensor:
            return Tensor(self.values[place])

        def numpy(self) -> np.ndarray:
            return self.values

    class Pipeline:
        model_context_length = 9

        @classmethod
        def from_pretrained(cls, folder: str, *, device_map: str, local_files_only: bool) -> Pipeline:
            assert (folder, device_map, local_files_only) == (str(tmp_path), "cpu", True)
            return cls()

        def predict_quantiles(
            self, inputs: np.ndarray, *, prediction_length: int, quantile_levels: list[float]
        ) -> tuple[list[Tensor], list[Tensor]]:
            assert inputs.shape[1:] == (1, 9)
            assert quantile_levels == [0.5]
            made = [Tensor(series[:, -1:] + np.arange(prediction_length)) for series in inputs]
            return made, made

    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    stand_in(monkeypatch, "chronos", Chronos2Pipeline=Pipeline)
    of = a_fold(targets=("Appliances", "lights"))
    made = only(find_contestant(f"chronos:{tmp_path}"), of)
    newest = of.scored.series.readings[of.scored.newest_row]
    assert np.allclose(made.point, newest[:, None] + np.array([1, 2, 3])[:, None])


def test_a_context_is_on_the_grid_with_gaps_left_open():
    prepared = prepare(house(60).drop(index=[40, 41]), window=WINDOW)
    windows = prepared.windows.train + prepared.windows.validation + prepared.windows.test
    newest = windows.series.times[windows.newest_row]
    found = foundation.contexts(windows, 0, 50, pd.Timedelta(minutes=10))
    series = pd.Series(windows.series.readings[:, 0], windows.series.times)
    for context, moment in zip(found, newest, strict=True):
        grid = pd.date_range(end=moment, periods=50, freq="10min")
        assert np.array_equal(context, series.reindex(grid).to_numpy(np.float32), equal_nan=True)
    assert np.isnan(found[-1, :-1]).any()


@pytest.mark.skipif(importlib.util.find_spec("fracast") is None, reason="fracast is an extra of its own")
def test_fracast_itself_forecasts():
    foundation._fracast.cache_clear()
    of = a_fold()
    made = only(find_contestant("fracast"), replace(of, scored=of.scored.take(slice(0, 4))))
    assert made.point.shape == (4, 3, 1)
