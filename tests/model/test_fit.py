"""Training: repeatable, resumable, honest about which rows it reads."""

import gc
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from queue import Queue
from signal import SIGINT, default_int_handler, pthread_kill, signal
from threading import Event, Lock, current_thread, main_thread
from time import sleep

import keras
import numpy as np
import psutil
import pytest
from pydantic import ValidationError
from tiny import Prepared, house, prepare, with_readings
from tracing import count_traces

from wattcast.model.errors import DivergedError, InputError
from wattcast.model.fit import Epoch, FitConfig, Fitted, Member
from wattcast.model.gru import GRUConfig, LayerConfig, Shape
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.program import Pass, Plan, Work, compile_epoch
from wattcast.model.network.training import _Fitting, member_seeds, train_members, train_network
from wattcast.model.windows import WindowConfig, Windows

NETWORK = GRUConfig(layers=(LayerConfig(units=3, input_keep_prob=0.8),), readout_keep_prob=0.7)
SHORT = FitConfig(initial_learning_rate=0.02, epochs=4, patience=4, batch_size=16, refit=True, seed=1)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(house(110), window=WindowConfig(lookback=3))


@pytest.fixture(scope="module")
def trained(prepared: Prepared) -> Fitted:
    """The training that the others are compared with."""
    return train(prepared)


def train(prepared: Prepared, *, network: GRUConfig = NETWORK, fit: FitConfig = SHORT, **options: object) -> Fitted:
    return train_network(network, fit, prepared.windows, prepared.scaler, **options)


def same_weights(one: Fitted, other: Fitted) -> bool:
    """Bit for bit, in the product and in the network that was selected."""
    return all(
        a.tobytes() == b.tobytes()
        for name in ("network", "selected")
        for a, b in zip(getattr(one, name).get_weights(), getattr(other, name).get_weights(), strict=True)
    )


def without_clock(history: tuple[Epoch, ...]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in history]


def outputs(network: keras.Model, windows: Windows) -> np.ndarray:
    """`[N, L, K]` what the plain Keras network makes of the windows, cut out one by one."""
    return network([windows.series.inputs[windows.input_rows]]).numpy()


def validation_mse(fitted: Fitted, prepared: Prepared) -> float:
    windows = prepared.windows.validation
    error = windows.series.targets[windows.target_rows].astype(np.float64) - outputs(fitted.selected, windows)
    return float(np.mean(error**2))


def best_epoch(fitted: Fitted) -> int:
    (member,) = fitted.members
    return member.best_epoch


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], dict[int, list[np.ndarray]]]:
    """Puts validation losses that are known in advance in place of the real ones, and keeps each epoch's weights."""

    def install(losses: list[float]) -> dict[int, list[np.ndarray]]:
        weights: dict[int, list[np.ndarray]] = {}

        def validate(fitting: _Fitting) -> dict[str, float]:
            if fitting.validation is None:
                return {}
            number = len(fitting.history) + 1
            weights[number] = list(fitting.weights)
            return dict.fromkeys(("val_loss", "val_mse", "val_rmse"), losses[number - 1])

        monkeypatch.setattr(_Fitting, "_validation_scores", validate)
        return weights

    return install


# Repeats


def test_one_seed_gives_one_result_bit_for_bit_and_the_test_part_is_never_read(prepared, trained):
    """Two trainings with dropout, the second on data whose test part is gone."""
    series = prepared.windows.train.series
    first = prepared.windows.test.target_rows[0, 0]
    spoilt = {name: getattr(series, name).copy() for name in ("inputs", "targets", "readings", "ahead")}
    for array in spoilt.values():
        array[first:] = np.nan
    hidden = prepared._replace(windows=prepared.windows.map(lambda part: with_readings(part, **spoilt)))
    again = train(hidden)
    assert same_weights(trained, again)
    assert without_clock(again.history) == without_clock(trained.history)


def test_another_seed_gives_another_result(prepared, trained):
    other = train(prepared, fit=SHORT.model_copy(update={"seed": 2, "epochs": 1}))
    assert other.history[0].train_loss != trained.history[0].train_loss
    assert not same_weights(other, trained)


def test_nothing_that_was_given_is_changed(prepared):
    series = prepared.windows.train.series
    arrays = (series.inputs, series.targets, series.readings, series.ahead, prepared.windows.train.starts)
    before = [array.tobytes() for array in arrays]
    train(prepared, fit=FitConfig(epochs=1, batch_size=16))
    assert [array.tobytes() for array in arrays] == before


# The history


def test_history_counts_epochs_and_updates_in_both_phases(prepared, trained):
    chosen = best_epoch(trained)
    assert [(epoch.phase, epoch.number) for epoch in trained.history] == [
        *(("select", number) for number in range(1, 5)),
        *(("refit", number) for number in range(1, chosen + 1)),
    ]
    select, refit = trained.history[:4], trained.history[4:]
    a_pass = math.ceil(len(prepared.windows.train) / 16)
    a_longer_pass = math.ceil((len(prepared.windows.train) + len(prepared.windows.validation)) / 16)
    assert a_longer_pass > a_pass
    assert [epoch.step for epoch in select] == [a_pass * number for number in range(1, 5)]
    assert [epoch.step for epoch in refit] == [a_longer_pass * number for number in range(1, chosen + 1)]
    assert all(epoch.val_loss is epoch.val_mse is epoch.val_rmse is None for epoch in refit)
    assert all(epoch.seconds > 0 for epoch in trained.history)


def test_selected_network_has_the_best_weights(prepared, trained):
    select = trained.history[:4]
    assert best_epoch(trained) == 1 + int(np.argmin([epoch.val_loss for epoch in select]))
    best = select[best_epoch(trained) - 1]
    assert validation_mse(trained, prepared) == pytest.approx(best.val_mse, rel=1e-6)
    assert best.val_loss == pytest.approx(best.val_mse, rel=1e-6)
    forecast = prepared.scaler.inverse(outputs(trained.selected, prepared.windows.validation), first=1)
    error = prepared.windows.validation.actual - forecast
    assert best.val_rmse == pytest.approx(float(np.sqrt(np.mean(error**2))), rel=1e-6)


def test_refit_is_another_network_than_the_selected_one(prepared, trained):
    assert trained.network is not trained.selected
    kept = train(prepared, fit=SHORT.model_copy(update={"refit": False}))
    assert kept.network is kept.selected
    assert without_clock(kept.history) == without_clock(trained.history[:4])
    for a, b in zip(kept.network.get_weights(), trained.selected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_refit_is_a_training_on_training_and_validation_for_the_chosen_number_of_epochs(prepared, judge):
    """The same training told in another way: both parts are given as training, and no choice is left to validation."""
    judge([2.0, 1.0, 1.5])
    fit = SHORT.model_copy(update={"epochs": 3})
    refitted = train(prepared, fit=fit)
    assert best_epoch(refitted) == 2
    both = replace(prepared.windows, train=prepared.windows.train + prepared.windows.validation)
    told = train(prepared._replace(windows=both), fit=fit.model_copy(update={"epochs": 2, "refit": False}))
    assert [epoch.train_loss for epoch in refitted.history[3:]] == [epoch.train_loss for epoch in told.history]
    for a, b in zip(refitted.network.get_weights(), told.network.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_each_epoch_visits_every_window_once_in_a_new_order(prepared, monkeypatch):
    batches: list[list[int]] = []

    def recorded(plan: Plan) -> Callable[..., Pass]:
        epoch = compile_epoch(plan)

        def record(series: object, state: object, knobs: object, work: Work) -> Pass:
            starts = work.starts.ravel()[: work.windows].tolist()
            batches.extend(starts[first : first + 16] for first in range(0, len(starts), 16))
            return epoch(series, state, knobs, work)

        return record

    monkeypatch.setattr("wattcast.model.network.training.compile_epoch", recorded)
    train(prepared, fit=FitConfig(epochs=2, batch_size=16))
    windows = prepared.windows.train.starts.tolist()
    a_pass = math.ceil(len(windows) / 16)
    assert [len(batch) for batch in batches[:a_pass]] == [16] * (a_pass - 1) + [len(windows) - 16 * (a_pass - 1)]
    first, second = (list(chain(*batches[half])) for half in (slice(a_pass), slice(a_pass, None)))
    assert sorted(first) == sorted(second) == windows
    assert first not in (windows, second)


# Stopping


def test_training_stops_after_patience_and_goes_back_to_the_best_epoch(prepared, judge):
    weights = judge([3.0, 2.0, 2.5, 2.0, 1.9, 4.0, 4.0, 4.0, 0.1])
    fitted = train(prepared, fit=FitConfig(epochs=9, patience=3, batch_size=16, initial_learning_rate=0.01))
    assert [epoch.val_loss for epoch in fitted.history] == [3.0, 2.0, 2.5, 2.0, 1.9, 4.0, 4.0, 4.0]
    assert best_epoch(fitted) == 5
    for kept, best, last in zip(fitted.network.get_weights(), weights[5], weights[8], strict=True):
        np.testing.assert_array_equal(kept, best)
        assert not np.array_equal(best, last)


def test_the_first_of_equally_good_epochs_is_the_best(prepared, judge):
    weights = judge([2.0, 1.0, 1.0, 1.0])
    fitted = train(prepared, fit=FitConfig(epochs=4, patience=2, batch_size=16))
    assert (best_epoch(fitted), len(fitted.history)) == (2, 4)
    np.testing.assert_array_equal(fitted.network.get_weights()[0], weights[2][0])


# Learning rate, losses and penalty


def test_learning_rate_falls_in_steps_counted_in_updates(prepared):
    """60 windows in batches of 16 make four updates an epoch; the rate halves after each five."""
    windows = replace(prepared.windows, train=prepared.windows.train.take(slice(0, 60)))
    fit = FitConfig(initial_learning_rate=0.08, decay_steps=5, decay_rate=0.5, epochs=4, batch_size=16)
    history = train(prepared._replace(windows=windows), fit=fit).history
    assert [epoch.step for epoch in history] == [4, 8, 12, 16]
    # the last update of each epoch is number 3, 7, 11, 15 from 0
    assert [epoch.learning_rate for epoch in history] == pytest.approx([0.08, 0.04, 0.02, 0.01])


def test_clip_norm_bounds_an_update(prepared):
    """One update of plain descent at rate 1 moves the weights by the gradient; clipped, by its bound."""
    one = prepared._replace(windows=replace(prepared.windows, train=prepared.windows.train.take(slice(0, 16))))
    start, moved = [], []
    for clip_norm in (0.0, 0.01):
        fit = FitConfig(
            optimiser="sgd", initial_learning_rate=1.0, clip_norm=clip_norm, epochs=1, batch_size=16, kernel="keras"
        )
        start.append(initial_weights(NETWORK, Shape.of(one.windows.train), *member_seeds(fit)))
        end = train(one, fit=fit).network.get_weights()
        moved.append(math.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in zip(start[-1], end, strict=True))))
    assert moved[0] > 0.05
    assert moved[1] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_losses_are_means_over_scaled_targets(prepared, loss):
    spread = 2 * prepared.windows.train.series.targets
    prepared = prepared._replace(windows=prepared.windows.map(lambda part: with_readings(part, targets=spread)))
    fitted = train(prepared, fit=FitConfig(loss=loss, epochs=1, batch_size=64, kernel="keras"))
    windows = prepared.windows.validation
    error = np.abs(windows.series.targets[windows.target_rows].astype(np.float64) - outputs(fitted.network, windows))
    assert error.min() < 1 < error.max()  # both branches of huber
    by_hand = {"mae": error, "huber": np.where(error <= 1, error**2 / 2, error - 0.5)}[loss]
    assert fitted.history[0].val_loss == pytest.approx(by_hand.mean(), rel=1e-5)
    assert fitted.history[0].val_mse == pytest.approx(np.mean(error**2), rel=1e-5)


def test_penalty_is_logged_apart_and_is_not_part_of_the_validation_loss(prepared):
    network = GRUConfig(layers=(LayerConfig(units=3),), tanh_layer=True, regularisation_scale=4.0)
    fit = FitConfig(
        epochs=1,
        batch_size=len(prepared.windows.train),
        optimiser="sgd",
        initial_learning_rate=1e-9,
        kernel="keras",
    )
    fitted = train(prepared, network=network, fit=fit)
    kernel = fitted.network.get_layer("tanh").get_weights()[0].astype(np.float64)  # as good as unchanged
    (epoch,) = fitted.history
    assert epoch.train_penalty == pytest.approx(4.0 * np.sum(kernel**2) / 2, rel=1e-5)
    assert epoch.train_loss == pytest.approx(epoch.train_mse + epoch.train_penalty, rel=1e-5)
    assert epoch.val_loss == pytest.approx(epoch.val_mse, rel=1e-6)
    train_error = prepared.windows.train.actual - prepared.scaler.inverse(
        outputs(fitted.network, prepared.windows.train), first=1
    )
    assert epoch.train_rmse == pytest.approx(float(np.sqrt(np.mean(train_error**2))), rel=1e-5)


# Faults


def test_diverged_training_names_step_and_remedy(prepared):
    targets = prepared.windows.train.series.targets.copy()
    targets[prepared.windows.train.target_rows[:, 0]] = np.inf
    windows = prepared.windows.map(lambda part: with_readings(part, targets=targets))
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) after 1 updates; lower fit\.initial") as caught:
        train(prepared._replace(windows=windows))
    assert caught.value.step == 1


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"patience": 0},
        {"batch_size": 0},
        {"initial_learning_rate": 0},
        {"decay_rate": 1.1},
        {"decay_steps": 0},
        {"decay_passes": -1},
        {"decay_passes": 3, "decay_steps": 260},
        {"fading": -1},
        {"clip_norm": -1},
        {"seed": -1},
        {"seed": 2**31},
        {"loss": "rmse"},
        {"optimiser": "adamw"},
        {"learning_rate": 0.1},
        {"members": 0},
        {"members": 65},
        {"kernel": "cudnn"},
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        FitConfig(**options)


def test_decay_in_passes_is_decay_in_as_many_updates_as_those_have():
    in_passes = FitConfig(decay_passes=3, batch_size=128)
    assert in_passes.updates_between_drops(11_841) == 3 * 93  # the last batch of a pass is a smaller one
    assert FitConfig(decay_passes=0.001, batch_size=128).updates_between_drops(200) == 1
    assert FitConfig(decay_passes=0, decay_steps=260, batch_size=128).updates_between_drops(11_841) == 260


# Resuming


class KilledError(Exception):
    """Stands for a power cut."""


def killer(phase: str, number: int) -> Callable[[Epoch], None]:
    def on_epoch(epoch: Epoch) -> None:
        if (epoch.phase, epoch.number) == (phase, number):
            raise KilledError

    return on_epoch


@pytest.mark.parametrize(("phase", "number"), [("select", 2), ("refit", 1)])
def test_a_killed_training_goes_on_to_the_same_weights_bit_for_bit(prepared, trained, tmp_path, phase, number):
    with pytest.raises(KilledError):
        train(prepared, checkpoints=tmp_path / "run", on_epoch=killer(phase, number))
    seen: list[Epoch] = []
    resumed = train(prepared, checkpoints=tmp_path / "run", on_epoch=seen.append)
    assert same_weights(resumed, trained)
    assert best_epoch(resumed) == best_epoch(trained)
    assert without_clock(resumed.history) == without_clock(trained.history)
    done = without_clock(trained.history).index(
        next(e for e in without_clock(trained.history) if (e.phase, e.number) == (phase, number))
    )
    assert without_clock(tuple(seen)) == without_clock(trained.history)[done:]  # what was cut short is told again
    assert (seen[0].phase, seen[0].number) == (phase, number)


def test_best_weights_survive_a_kill(prepared, judge, tmp_path):
    """The best epoch lies before the last checkpoint, and no later one is better."""
    weights = judge([2.0, 1.0, 3.0, 3.0])
    fit = SHORT.model_copy(update={"refit": False})
    with pytest.raises(KilledError):
        train(prepared, fit=fit, checkpoints=tmp_path, on_epoch=killer("select", 4))
    resumed = train(prepared, fit=fit, checkpoints=tmp_path)
    assert (best_epoch(resumed), len(resumed.history)) == (2, 4)
    for kept, best in zip(resumed.network.get_weights(), weights[2], strict=True):
        np.testing.assert_array_equal(kept, best)


def test_a_checkpoint_of_another_version_is_named(prepared, tmp_path: Path) -> None:
    (tmp_path / "member-1").mkdir()
    np.savez(tmp_path / "member-1" / "select.npz", **{"weights/0": np.zeros(3), "history": np.array("[]")})
    with pytest.raises(InputError, match="lacks gru_1/kernel, as another version of wattcast wrote it: start"):
        train(prepared, checkpoints=tmp_path)


def test_a_finished_training_is_taken_from_its_checkpoints(prepared, tmp_path: Path):
    fit = SHORT.model_copy(update={"epochs": 2, "refit": False})
    first = train(prepared, fit=fit, checkpoints=tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")] == ["member-1/select.npz"]
    seen: list[Epoch] = []
    second = train(prepared, fit=fit, checkpoints=tmp_path, on_epoch=seen.append)
    assert seen == []
    assert same_weights(first, second)
    assert second.history == first.history


# Members

FOUR = SHORT.model_copy(update={"members": 4, "epochs": 3})


@pytest.fixture(scope="module")
def ensemble(prepared: Prepared) -> Fitted:
    return train(prepared, fit=FOUR)


def members(prepared: Prepared, fit: FitConfig = FOUR, **options: object) -> tuple[Member, ...]:
    return train_members(NETWORK, fit, prepared.windows, prepared.scaler, **options)


def bits(member: Member) -> list[bytes]:
    return [array.tobytes() for array in (*member.weights, *member.selected)]


def test_seeds_of_members_do_not_depend_on_their_number_and_are_shared_with_no_other_seed():
    first, more, other = (
        member_seeds(FitConfig(seed=seed, members=count)) for seed, count in ((1, 3), (1, 64), (2, 64))
    )
    assert first == more[:3]
    assert len({*more, *other}) == 128


def test_members_train_to_different_weights_and_the_first_ones_are_those_of_a_smaller_ensemble(prepared, ensemble):
    kernels = [member.weights[0].tobytes() for member in ensemble.members]
    assert len(set(kernels)) == 4
    assert len({member.history[0].train_loss for member in ensemble.members}) == 4
    alone = train(prepared, fit=FOUR.model_copy(update={"members": 1}))
    assert bits(alone.members[0]) == bits(ensemble.members[0])


def test_an_ensembles_forecast_is_the_mean_of_its_members(prepared, ensemble):
    windows, shape = prepared.windows.test, Shape.of(prepared.windows.test)
    for network, name in ((ensemble.network, "weights"), (ensemble.selected, "selected")):
        alone = [
            outputs(build(NETWORK, shape, [getattr(member, name)]), windows).astype(np.float64)
            for member in ensemble.members
        ]
        assert np.abs(alone[0] - alone[1]).max() > 1e-2
        np.testing.assert_allclose(outputs(network, windows), np.mean(alone, axis=0), rtol=1e-5, atol=1e-6)


def test_each_member_chooses_its_own_epochs_and_the_history_tells_them_apart(prepared, ensemble):
    for number, member in enumerate(ensemble.members, start=1):
        assert {epoch.member for epoch in member.history} == {number}
        select = [epoch.val_loss for epoch in member.history if epoch.phase == "select"]
        assert member.best_epoch == 1 + int(np.argmin(select))
        assert [epoch.number for epoch in member.history if epoch.phase == "refit"] == list(
            range(1, member.best_epoch + 1)
        )
    assert ensemble.history == tuple(epoch for member in ensemble.members for epoch in member.history)


@pytest.mark.parametrize("cores", [1, 3])
def test_members_do_not_depend_on_how_many_train_at_a_time(prepared, ensemble, cores):
    again = members(prepared, cores=cores)
    assert [bits(member) for member in again] == [bits(member) for member in ensemble.members]


def test_epochs_of_members_that_train_side_by_side_are_told_one_at_a_time(prepared):
    telling, threads, seen = Lock(), set(), []

    def on_epoch(epoch: Epoch) -> None:
        assert telling.acquire(blocking=False), "two threads tell at once"
        try:
            threads.add(current_thread().name)
            seen.append((epoch.member, epoch.phase, epoch.number))
            sleep(0.01)
        finally:
            telling.release()

    done = members(prepared, cores=2, on_epoch=on_epoch)
    assert len(threads) == 2
    assert sorted(seen) == sorted((e.member, e.phase, e.number) for member in done for e in member.history)
    for number in range(1, 5):  # in its own order
        told = [place[1:] for place in seen if place[0] == number]
        assert told == [(e.phase, e.number) for e in done[number - 1].history]


def test_a_member_that_fails_stops_the_others_and_its_own_error_comes_out(prepared):
    told = []

    def on_epoch(epoch: Epoch) -> None:
        told.append(epoch)
        if (epoch.member, epoch.number) == (2, 3):
            raise KilledError

    long = FOUR.model_copy(update={"epochs": 2000, "patience": 2000})
    with pytest.raises(KilledError):
        members(prepared, long, cores=2, on_epoch=on_epoch)
    assert {epoch.member for epoch in told} <= {1, 2}  # the third never began
    assert len(told) < 200
    before = len(told)
    sleep(0.1)
    assert len(told) == before  # no thread is left behind


@pytest.mark.parametrize("count", [1, 4])
def test_ctrl_c_does_not_wait_for_an_epoch_to_end(prepared, count):
    left, seen = Event(), Queue()

    def on_epoch(epoch: Epoch) -> None:
        pthread_kill(main_thread().ident, SIGINT)
        seen.put(left.wait(5))

    before = signal(SIGINT, default_int_handler)  # a worker of the tests ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            members(prepared, FOUR.model_copy(update={"members": count}), cores=2, on_epoch=on_epoch)
    finally:
        signal(SIGINT, before)
        left.set()
    assert seen.get(timeout=5), "the interrupt came only when the epoch had ended"


def test_an_ensemble_that_diverges_says_so(prepared):
    targets = np.full_like(prepared.windows.train.series.targets, np.inf)
    windows = prepared.windows.map(lambda part: with_readings(part, targets=targets))
    with pytest.raises(DivergedError, match="after 1 updates"):
        members(prepared._replace(windows=windows), cores=2)


@pytest.mark.parametrize(("phase", "cores"), [("select", 2), ("refit", 2), ("select", 1)])
def test_a_killed_ensemble_goes_on_to_the_same_weights_bit_for_bit(prepared, ensemble, tmp_path, phase, cores):
    def on_epoch(epoch: Epoch) -> None:
        if epoch.member == 3 and (epoch.phase, epoch.number) == (phase, {"select": 2, "refit": 1}[phase]):
            raise KilledError

    with pytest.raises(KilledError):
        members(prepared, cores=cores, checkpoints=tmp_path, on_epoch=on_epoch)
    assert any(tmp_path.glob("member-[12]/select.npz"))  # one of them made room for the third
    seen: list[Epoch] = []
    resumed = members(prepared, cores=cores, checkpoints=tmp_path, on_epoch=seen.append)
    assert [bits(member) for member in resumed] == [bits(member) for member in ensemble.members]
    assert [without_clock(member.history) for member in resumed] == [
        without_clock(member.history) for member in ensemble.members
    ]
    assert len(seen) < len(ensemble.history)  # what was done is not done again


# The kernels, and what a second training costs


def test_stock_layers_and_the_fast_kernel_train_alike(prepared):
    """Without dropout, whose masks they draw from different generators."""
    plain = GRUConfig(layers=(LayerConfig(units=3),))
    fast, stock = (
        train(prepared, network=plain, fit=SHORT.model_copy(update={"kernel": k})) for k in ("fast", "keras")
    )
    assert best_epoch(fast) == best_epoch(stock)
    for a, b in zip(fast.network.get_weights(), stock.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())
    assert [e.val_rmse for e in fast.history[:4]] == pytest.approx([e.val_rmse for e in stock.history[:4]], rel=1e-4)


def test_short_histories_train_alike_on_both_kernels_and_resume_bit_for_bit(tmp_path):
    raw = house(150)
    gappy = prepare(raw.drop(index=raw.index[5::9]), window=WindowConfig(lookback=6, min_history=2))
    assert set(gappy.windows.train.lengths) == {2, 3, 4, 5, 6}
    network = GRUConfig(layers=(LayerConfig(units=3), LayerConfig(units=2)), readout="states")
    fast, stock = (
        train(gappy, network=network, fit=SHORT.model_copy(update={"kernel": kernel})) for kernel in ("fast", "keras")
    )
    for mine, theirs in zip(fast.network.get_weights(), stock.network.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)
    with pytest.raises(KilledError):
        train(gappy, network=network, checkpoints=tmp_path, on_epoch=killer("select", 2))
    assert same_weights(train(gappy, network=network, checkpoints=tmp_path), fast)


def test_each_epoch_shortens_a_share_of_the_histories_anew_and_only_where_they_may_be_short(prepared, monkeypatch):
    """By the lengths that its program is given, window by window."""
    seen: list[dict[int, int]] = []

    def compile_and_watch(plan: Plan) -> Callable[..., Pass]:
        epoch = compile_epoch(plan)

        def watched(series: object, state: object, knobs: object, work: Work) -> Pass:
            if plan.shape.padded:
                places = (work.starts.ravel(), work.lengths.ravel())
                seen.append(dict(zip(*(each[: int(work.windows)].tolist() for each in places), strict=True)))
            else:
                assert work.lengths == ()
            return epoch(series, state, knobs, work)

        return watched

    monkeypatch.setattr("wattcast.model.network.training.compile_epoch", compile_and_watch)
    fit = SHORT.model_copy(update={"refit": False})
    train(prepared, fit=fit)
    assert seen == []
    raw = house(400)
    given = prepare(raw.drop(index=raw.index[100:110]), window=WindowConfig(lookback=6, min_history=2))
    windows = given.windows.train
    train(given, fit=fit)
    assert len(seen) == 4
    own = dict(zip(windows.starts.tolist(), windows.lengths.tolist(), strict=True))
    for lengths in seen:
        assert lengths.keys() == own.keys()
        assert all(2 <= length <= own[start] for start, length in lengths.items())
        shortened = [length for start, length in lengths.items() if length < own[start]]
        assert set(shortened) == {2, 3, 4, 5}
        assert 0.1 < len(shortened) / len(own) < 0.3  # a quarter, of which a fifth keeps its length
    assert len({tuple(sorted(lengths.items())) for lengths in seen}) == 4


def test_training_on_stock_layers_repeats_bit_for_bit(prepared):
    fit = SHORT.model_copy(update={"kernel": "keras", "epochs": 2})
    first, again = (train(prepared, fit=fit) for _ in range(2))
    assert same_weights(first, again)


def trial(number: int) -> tuple[GRUConfig, FitConfig]:
    """Every value that may change from trial to trial without compiling, changed."""
    share = (number + 1) / 20
    network = GRUConfig(
        layers=(LayerConfig(units=3, input_keep_prob=1 - share, output_keep_prob=1 - share / 2),),
        readout="last_output",
        readout_keep_prob=1 - share / 3,
        tanh_layer=True,
        regularisation_scale=share,
        gate_bias=share,
        recurrent_initialiser=("orthogonal", "glorot", "identity")[number % 3],
    )
    fit = FitConfig(
        initial_learning_rate=share / 10,
        decay_steps=1 + number,
        decay_rate=1 - share / 2,
        clip_norm=number / 10,
        batch_size=16,
        epochs=1 + number % 3,
        patience=1 + number % 2,
        members=2,
        seed=number,
    )
    return network, fit


def test_further_trainings_of_one_structure_trace_nothing_and_leave_no_memory_behind(prepared, monkeypatch):
    """Stock Keras traces for seconds and grows by about 27 MB each time."""

    def run(number: int) -> tuple[Member, ...]:
        network, fit = trial(number)
        return train_members(network, fit, prepared.windows, prepared.scaler)

    run(0)
    traced = count_traces(monkeypatch)
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    done = [run(number) for number in range(1, 9)]
    gc.collect()
    assert traced == []
    assert process.memory_info().rss - before < 30e6
    assert len({members[0].weights[0].tobytes() for members in done}) == 8


def test_other_rows_of_a_series_and_a_series_that_has_grown_trace_nothing(prepared, monkeypatch):
    """As at each cut of a replay, and at each retraining of a process that lives long."""
    plain = GRUConfig(layers=(LayerConfig(units=3),))
    fit = FitConfig(epochs=1, batch_size=16, refit=True)
    train_members(plain, fit, prepared.windows, prepared.scaler)
    traced = count_traces(monkeypatch)
    fewer = replace(prepared.windows, train=prepared.windows.train.take(slice(0, 20)))
    grown = prepare(house(125), window=WindowConfig(lookback=3))
    for windows in (fewer, grown.windows):
        train_members(plain, fit, windows, prepared.scaler)
    assert traced == []


def test_an_ensemble_traces_its_programs_once_however_many_threads_begin_with_it(prepared, monkeypatch):
    """Two structures that nothing else here has trained, alike but for a unit."""
    traced = count_traces(monkeypatch)
    counts = []
    for units, cores in ((6, 1), (7, 2)):
        network = GRUConfig(layers=(LayerConfig(units=units),))
        fit = FitConfig(epochs=1, batch_size=16, members=3, kernel="keras")
        train_members(network, fit, prepared.windows, prepared.scaler, cores=cores)
        counts.append(len(traced))
        traced.clear()
    assert counts[0] == counts[1] > 0


def test_a_batch_that_two_cores_share_repeats_and_resumes_bit_for_bit(prepared, tmp_path, monkeypatch):
    """Large enough for two lanes, of unequal size and with masks of their own."""
    plans: list[Plan] = []
    monkeypatch.setattr(
        "wattcast.model.network.training.compile_epoch", lambda plan: plans.append(plan) or compile_epoch(plan)
    )
    fit = SHORT.model_copy(update={"batch_size": 131, "refit": False})
    train = prepared.windows.train
    shared = prepared._replace(windows=replace(prepared.windows, train=train + train + train))
    (first,), (again,) = (members(shared, fit, cores=2) for _ in range(2))
    assert [plan.lanes for plan in plans] == [2, 2]
    assert bits(first) == bits(again)
    with pytest.raises(KilledError):
        members(shared, fit, cores=2, checkpoints=tmp_path, on_epoch=killer("select", 2))
    (resumed,) = members(shared, fit, cores=2, checkpoints=tmp_path)
    assert bits(resumed) == bits(first)
