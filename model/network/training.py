"""Training: windows in, the network with the best validation loss out, or the mean of several.

N: windows. C: updates there is room for. B: windows in a batch. L: output length. K: targets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Lock
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wattcast.model.arrays import Rows
from wattcast.model.errors import DivergedError, InputError
from wattcast.model.fit import Epoch, FitConfig, Fitted, Member
from wattcast.model.gru import GRUConfig, Shape, Weights, keep_probs, named_weights, structure, weight_names
from wattcast.model.metrics import mse, rmse
from wattcast.model.network.build import build, initial_weights
from wattcast.model.network.kernel import CORES, choose_kernel
from wattcast.model.network.program import (
    Knobs,
    Pass,
    Plan,
    Resident,
    State,
    Work,
    compile_epoch,
    learning_rate,
    mean_loss,
)
from wattcast.model.network.scoring import forecast_scaled
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import Windows

_LANE = 64  # windows; a batch is cut no finer
_SHORTENED = 0.25  # share of the windows of an epoch
_restoring = Lock()  # NumPy reads headers by Python's parser, which in 3.11 fails now and then in two threads at once


def train_network(
    model: GRUConfig,
    config: FitConfig,
    windows: Split[Windows],
    scaler: Scaler,
    *,
    cores: int = CORES,
    checkpoints: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """`train_members`, put into plain Keras networks."""
    members = train_members(model, config, windows, scaler, cores=cores, checkpoints=checkpoints, on_epoch=on_epoch)
    shape = Shape.of(windows.train)
    network = build(model, shape, [member.weights for member in members])
    selected = build(model, shape, [member.selected for member in members]) if config.refit else network
    return Fitted(network, selected, members)


def train_members(
    model: GRUConfig,
    config: FitConfig,
    windows: Split[Windows],
    scaler: Scaler,
    *,
    cores: int = CORES,
    checkpoints: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> tuple[Member, ...]:
    """For each member choose the number of epochs on validation, then refit if asked. The test part is never looked at.

    Members train side by side on at most `cores` cores; `on_epoch` is called by one of them at a time, from its thread.

    With `checkpoints`, a folder, the whole state is written there after each epoch, and training goes on from what lies
    there: a training that was killed and taken up again ends with the same weights, bit for bit.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    course = _Course.of(model, config, windows, scaler, cores)
    told, stopped = Lock(), Event()

    def tell(epoch: Epoch) -> None:
        with told:
            if stopped.is_set():
                raise CancelledError
            try:
                if on_epoch:
                    on_epoch(epoch)
            except BaseException:
                stopped.set()
                raise

    def train(number: int, seed: int) -> Member:
        folder = checkpoints / f"member-{number}" if checkpoints else None
        choosing = _Fitting(course, number, seed, windows.train, windows.validation, epochs=config.epochs)
        selected = choosing.run(folder, tell)
        best = choosing.best_epoch
        if not config.refit:
            return Member(selected, selected, tuple(choosing.history), best)
        refitting = _Fitting(course, number, seed, windows.train + windows.validation, None, epochs=best)
        return Member(refitting.run(folder, tell), selected, (*choosing.history, *refitting.history), best)

    pool = ThreadPoolExecutor(cores)
    futures = [pool.submit(train, number, seed) for number, seed in enumerate(member_seeds(config), start=1)]
    ended = False
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        ended = True
    finally:  # one that has failed stops the others; Ctrl-C does not wait for the epochs that are being computed
        stopped.set()
        pool.shutdown(wait=ended, cancel_futures=True)
    faults = [future.exception() for future in futures if not future.cancelled()]
    for fault in faults:
        if fault and not isinstance(fault, CancelledError):
            raise fault
    return tuple(future.result() for future in futures)


def member_seeds(config: FitConfig) -> list[int]:
    """A seed for each member; those of another `seed` have nothing in common with them."""
    return [int(seed) for seed in np.random.SeedSequence(config.seed).generate_state(config.members)]


def _some_shortened(windows: Windows, draws: np.random.Generator) -> Windows:
    """Where histories may be short, a share of the windows with less of theirs than there is, drawn anew each epoch.

    Readings have few gaps: a network that sees whole histories alone has not learned what to make of short ones.
    """
    if windows.lengths is None:
        return windows
    shorter = draws.integers(windows.config.shortest, windows.lengths, endpoint=True)
    return replace(windows, lengths=np.where(draws.random(len(windows)) < _SHORTENED, shorter, windows.lengths))


@dataclass(frozen=True)
class _Course:
    """What all members have in common."""

    model: GRUConfig
    config: FitConfig
    scaler: Scaler
    plan: Plan
    series: Resident
    knobs: Knobs
    room: int  # updates that an epoch may have
    cores: int  # for one member

    @classmethod
    def of(cls, model: GRUConfig, config: FitConfig, windows: Split[Windows], scaler: Scaler, cores: int) -> _Course:
        kernel = choose_kernel(config.kernel)
        if kernel == "keras":
            tf.config.experimental.enable_op_determinism()
        alone = config.members == 1 and kernel == "fast"
        plan = Plan(
            model=structure(model),
            shape=Shape.of(windows.train),
            target_offset=windows.train.config.target_offset,
            loss=config.loss,
            fading=config.fading,
            optimiser=config.optimiser,
            batch_size=config.batch_size,
            dropout=min(keep_probs(model).values()) < 1,
            kernel=kernel,
            lanes=max(1, min(cores, config.batch_size // _LANE)) if alone else 1,
            revised=windows.train.series.places is not None,
        )
        knobs = Knobs(
            learning_rate=tf.constant(config.initial_learning_rate, tf.float32),
            decay_steps=tf.constant(config.updates_between_drops(len(windows.train)), tf.int64),
            decay_rate=tf.constant(config.decay_rate, tf.float32),
            clip_norm=tf.constant(config.clip_norm, tf.float32),
            regularisation_scale=tf.constant(model.regularisation_scale, tf.float32),
            keep_probs=tf.constant(list(keep_probs(model).values()), tf.float32),
        )
        series = Resident.of(windows.train.series)
        most = len(windows.train) + (len(windows.validation) if config.refit else 0)
        rows = series.inputs.shape[0]  # a bound that is the same for other windows of the series
        room = -(-max(most, rows) // config.batch_size)
        return cls(model, config, scaler, plan, series, knobs, room, cores if config.members == 1 else 1)


class _Fitting:
    """One fresh network on its way: its state, its history and the best weights so far."""

    def __init__(
        self, course: _Course, member: int, seed: int, train: Windows, validation: Windows | None, *, epochs: int
    ) -> None:
        self.course, self.member, self.seed, self.epochs = course, member, seed, epochs
        self.train, self.validation = train, validation
        self.phase: Literal["select", "refit"] = "refit" if validation is None else "select"
        self.run_epoch = compile_epoch(course.plan)
        self.best_weights = initial_weights(course.model, course.plan.shape, seed)
        self.state = State.start(course.plan, self.best_weights)
        self.history: list[Epoch] = []

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss; without validation the last one."""
        if self.validation is None:
            return len(self.history)
        return min(self.history, key=lambda epoch: (epoch.val_loss, epoch.number)).number

    @property
    def finished(self) -> bool:
        """All epochs are done, or the validation loss has not improved for `patience` of them."""
        done = len(self.history)
        return done >= self.epochs or (done > 0 and done - self.best_epoch >= self.course.config.patience)

    @property
    def weights(self) -> Weights:
        """The newest ones."""
        return tuple(np.asarray(weight) for weight in self.state.weights)

    def run(self, checkpoints: Path | None, tell: Callable[[Epoch], None]) -> Weights:
        """Train to the end, from the checkpoint where there is one; the best weights."""
        checkpoint = checkpoints / f"{self.phase}.npz" if checkpoints else None
        if checkpoint and checkpoint.exists():
            self._restore(checkpoint)
        while not self.finished:
            self.history.append(self._epoch())
            if self.best_epoch == len(self.history):
                self.best_weights = self.weights
            tell(self.history[-1])
            if checkpoint:  # last: an epoch that was cut short is told twice rather than never
                self._save(checkpoint)
        return self.best_weights

    def _epoch(self) -> Epoch:
        began = perf_counter()
        number = len(self.history) + 1
        draws = np.random.default_rng([self.seed, number])
        shuffled = self.train.take(draws.permutation(len(self.train)))
        seed = draws.integers(2**30, size=2, dtype=np.int32)
        shuffled = _some_shortened(shuffled, draws)
        lengths = () if shuffled.lengths is None else self._batches(shuffled.lengths)
        work = Work(self._batches(shuffled.starts), np.int32(len(shuffled)), seed, lengths)
        result = self.run_epoch(self.course.series, self.state, self.course.knobs, work)
        self.state = result.state
        return Epoch(
            phase=self.phase,
            number=number,
            member=self.member,
            step=int(result.state.step),
            learning_rate=self._learning_rate(int(result.state.step) - 1),
            **self._training_scores(shuffled, result),
            **self._validation_scores(),
            seconds=perf_counter() - began,
        )

    def _batches(self, windows: Rows) -> npt.NDArray[np.int32]:
        """`[C, lanes * share]` starts or lengths of windows, a batch a row."""
        plan, room = self.course.plan, self.course.room
        batches = np.full((room, plan.lanes * plan.share), windows[0], np.int32)
        filled = np.full(room * plan.batch_size, windows[0], np.int32)
        filled[: len(windows)] = windows
        batches[:, : plan.batch_size] = filled.reshape(room, plan.batch_size)
        return batches

    def _learning_rate(self, step: int) -> float:
        return float(learning_rate(self.course.knobs, step))

    def _training_scores(self, windows: Windows, result: Pass) -> dict[str, float]:
        size, count = self.course.config.batch_size, len(windows)
        sizes = np.minimum(size, count - np.arange(0, count, size))
        losses, penalties = np.asarray(result.losses)[: len(sizes)].T
        for update, loss in enumerate(losses, start=int(result.state.step) - len(sizes) + 1):
            self._require_finite(float(loss), update)
        forecast = np.asarray(result.forecasts)[:, :size].reshape(-1, *result.forecasts.shape[2:])[:count]  # [N, L, K]
        return {
            "train_loss": float(np.average(losses, weights=sizes)),
            "train_mse": mse(windows.series.targets[windows.target_rows], forecast),
            "train_penalty": float(np.average(penalties, weights=sizes)),
            "train_rmse": self._first_target_rmse(windows, forecast),
        }

    def _validation_scores(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        course = self.course
        forecast = forecast_scaled(
            course.model, [self.weights], self.validation, course.plan.kernel, cores=course.cores
        )
        scaled = self.validation.series.targets[self.validation.target_rows]  # [N, L, K]
        loss = mean_loss(course.config.loss, forecast - scaled, fading=course.config.fading)
        return {
            "val_loss": self._require_finite(loss, int(self.state.step)),
            "val_mse": mse(scaled, forecast),
            "val_rmse": self._first_target_rmse(self.validation, forecast),
        }

    def _require_finite(self, loss: float, update: int) -> float:
        if not math.isfinite(loss):
            raise DivergedError(update, loss)
        return loss

    def _first_target_rmse(self, windows: Windows, forecast: npt.NDArray[np.float32]) -> float:
        readings = self.course.scaler.inverse(forecast, first=forecast.shape[-1])
        return rmse(windows.actual[..., 0], readings[..., 0])

    def _save(self, file: Path) -> None:
        slots = {f"slots/{k}": slot for k, slot in enumerate(self.state.slots)}
        kinds = {"weights": self.state.weights, "best": self.best_weights, **slots}
        arrays: dict[str, Any] = {
            **{
                f"{kind}/{name}": np.asarray(array)
                for kind, weights in kinds.items()
                for name, array in named_weights(self.course.model, weights).items()
            },
            "step": np.asarray(self.state.step),
            "history": np.array(json.dumps([asdict(epoch) for epoch in self.history])),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(file)

    def _restore(self, file: Path) -> None:
        names = weight_names(self.course.model)
        with _restoring, np.load(file) as arrays:
            if missing := [name for name in names if f"weights/{name}" not in arrays]:
                raise InputError(
                    f"the checkpoint {str(file)!r} lacks {missing[0]}, as another version of wattcast wrote it: "
                    "start the training anew"
                )

            def kept(kind: str) -> Weights:
                return tuple(arrays[f"{kind}/{name}"] for name in names)

            self.history = [Epoch(**epoch) for epoch in json.loads(str(arrays["history"]))]
            self.best_weights = kept("best")
            self.state = self.state._replace(
                weights=kept("weights"),
                slots=tuple(kept(f"slots/{k}") for k, _ in enumerate(self.state.slots)),
                step=arrays["step"],
            )
