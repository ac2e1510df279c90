"""Networks in a backtest, without Prefect and MLflow: what they know, and what they make of later folds."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from wattcast.flows.contest.asked import Asked, entered, moments
from wattcast.flows.contest.fold import Contest
from wattcast.flows.contest.network import Network
from wattcast.flows.experiment.experiment import Experiment, read_experiment, read_rival
from wattcast.flows.prepare import prepare
from wattcast.model.errors import InputError
from wattcast.tasks.backtest.folds import Origin

ASKED = {"folds": 3, "step": "2d", "window": "sliding", "train": "7d", "gap": "6h", "refit": "never"}


def folded(small: tuple[str, ...], house: pd.DataFrame, folder: Path) -> tuple[Contest, tuple[Origin, ...]]:
    folder.mkdir(exist_ok=True)
    house.to_csv(folder / "house.csv", index=False)
    settings = [*small, "fit.epochs=1", "fit.refit=true", f"data={folder / 'house.csv'}"]
    prepared = prepare(read_experiment(settings=settings))
    experiments, others = entered(prepared.experiment, ())
    asked = Asked.model_validate({**ASKED, "experiments": experiments, "others": others})
    contest = asked.contest(prepared)
    return contest, asked.folding.origins(moments(contest), prepared.all_times[0], prepared.experiment.readings.cadence)


def forecasts(contest: Contest, trained: Origin, of: Origin) -> np.ndarray:
    network = Network("ours", contest.prepared(trained)[contest.names[0]], cores=1, on_epoch=lambda _: None)
    fold = contest.fold(of, contest.prepared(of)[contest.names[0]])
    return network.forecast(fold).point


def test_whatever_comes_after_a_cut_changes_no_forecast_that_was_trained_before_it(
    small: tuple[str, ...], house: pd.DataFrame, tmp_path: Path
) -> None:
    """From the file on: load and lights behind the cut are other ones; the first forecast reads the cut at most."""
    contest, (first, second, _) = folded(small, house, tmp_path / "one")
    altered = house.copy()
    later = altered["date"] > first.made_at[0]
    altered.loc[later, "Appliances"] = np.random.default_rng(0).integers(1, 60, int(later.sum())) * 10
    other, origins = folded(small, altered, tmp_path / "other")
    assert [origin.cut for origin in origins[:2]] == [first.cut, second.cut]
    one, again = forecasts(contest, first, first), forecasts(other, origins[0], origins[0])
    assert one[0].tobytes() == again[0].tobytes()
    assert not np.allclose(one, again)
    fresh, old = forecasts(contest, second, second), forecasts(contest, first, second)
    assert fresh.shape == old.shape == (288, 1, 1)
    assert not np.allclose(fresh, old), "a network of an earlier fold is another one"


def test_folds_train_side_by_side(small: tuple[str, ...], house: pd.DataFrame, tmp_path: Path) -> None:
    """Each waits in its first epoch for the other's."""
    contest, origins = folded(small, house, tmp_path)
    both = Barrier(2, timeout=60)

    def made(origin: Origin) -> np.ndarray:
        prepared = contest.prepared(origin)[contest.names[0]]
        network = Network("ours", prepared, cores=1, on_epoch=lambda epoch: epoch.phase == "select" and both.wait())
        return network.forecast(contest.fold(origin, prepared)).point

    with ThreadPoolExecutor(2) as threads:
        beside = list(threads.map(made, origins[:2]))
    alone = [forecasts(contest, origin, origin) for origin in origins[:2]]
    assert [each.tobytes() for each in beside] == [each.tobytes() for each in alone]


def test_what_a_sliding_fold_knows_lies_between_its_moments(
    small: tuple[str, ...], house: pd.DataFrame, tmp_path: Path
) -> None:
    contest, origins = folded(small, house, tmp_path)
    contest = pickle.loads(pickle.dumps(contest))  # as it gets to the workers of a cluster
    for origin in origins:
        (prepared,) = contest.prepared(origin).values()
        fold = contest.fold(origin, prepared)
        times = fold.scored.series.times
        assert times[fold.known.target_rows.min()] == origin.known_from
        assert times[fold.known.target_rows.max()] == origin.cut == fold.cut
        assert times[fold.scored.newest_row].equals(origin.made_at)
        assert origin.made_at[0] - fold.cut == pd.Timedelta(hours=6)
        assert len(fold.known) == len(fold.train) + len(fold.validation) == 7 * 144


def test_a_preset_forecasts_the_same_from_the_same_readings() -> None:
    ours = read_experiment(
        preset="recommended",
        settings=[
            "data=office.csv",
            "readings.targets=load",
            "window.output_length=6",
            "split.train=0.5",
            "intervals=[0.9]",
        ],
    )
    rival = read_rival(ours, preset="seed-l2")
    assert (rival.data, rival.readings.targets, rival.split, rival.intervals) == (
        "office.csv",
        ("load",),
        ours.split,
        ours.intervals,
    )
    assert (rival.window.output_length, rival.window.lookback) == (6, Experiment(preset="seed-l2").window.lookback)
    assert rival.model == Experiment(preset="seed-l2").model
    assert rival.readings.time == Experiment(preset="seed-l2").readings.time


def test_a_file_that_says_otherwise_is_refused(tmp_path: Path) -> None:
    ours = read_experiment(settings=["data=office.csv"])
    for text, message in (
        ("[window]\noutput_length = 12\n", "window.output_length is 12, where that of all must be 1"),
        ('[readings]\ntargets = ["lights"]\n', r"readings.targets is \('lights',\)"),
    ):
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            read_rival(ours, config=tmp_path / "mine.toml")


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two contestants are called 'recommended'"):
        entered(read_experiment(), ("recommended",))
    experiments, others = entered(read_experiment(settings=["fit.members=1"]), ("recommended", "ridge"))
    assert list(experiments) == ["recommended members=1", "recommended"]
    assert others.count("ridge") == 1
