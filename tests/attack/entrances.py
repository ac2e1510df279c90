"""What stands open to anything that people and programs send: it must give a result, or say in few words what is wrong.

The same seed attacks in the same way.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import odd_readings
import odd_settings
import pandas as pd
from tiny import house, prepare

from wattcast.flows.experiment.experiment import read_experiment
from wattcast.model.clean import clean, raise_faults, settle
from wattcast.model.errors import InputError
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig, Shape
from wattcast.model.readings import ReadingsConfig
from wattcast.tasks.data.dialect import Dialect
from wattcast.tasks.data.download import download

LONGEST = 4000
"""Characters of a message that a person can still read."""
_CONFIG = ReadingsConfig(targets=("Appliances",), features=("lights",))
_LITTLE = Dialect(most_mib=64)


@dataclass
class Tally:
    """What came of all attempts at one entrance."""

    results: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)  # any other exception, a NaN, a message without end
    messages: Counter[str] = field(default_factory=Counter)  # by their first words
    longest: int = 0  # characters of a message
    slowest_s: float = 0.0

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.results + self.refused + len(self.failures)

    def count(self, attempt: Callable[[], None], what: str) -> None:
        """Make one attempt."""
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                attempt()
        except InputError as error:
            told = str(error)
            self.longest = max(self.longest, len(told))
            self.messages[told[:40]] += 1
            if 0 < len(told) <= LONGEST:
                self.refused += 1
            else:
                self.failures.append(f"{what}: a message of {len(told)} characters: {told[:300]}")
        except Exception as error:  # which is what is looked for
            self.failures.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")
        else:
            self.results += 1
        self.slowest_s = max(self.slowest_s, time.perf_counter() - began)


def attack(name: str, seed: int, count: int) -> Tally:
    """So many attempts at the entrance `name`, from `seed` on."""
    tally = Tally()
    for number in range(seed, seed + count):
        tally.count(lambda number=number: ENTRANCES[name](Random(number)), f"{name} {number}")
    return tally


def _files(random: Random) -> None:
    """A file of one's own, to its clean readings."""
    name, content = odd_readings.file(random)
    with _folder() as folder:
        (folder / name).write_bytes(content)
        frame = download(str(folder / name), _LITTLE).frame
    _cleaned(frame)


def _frames(random: Random) -> None:
    """A frame, to a forecast."""
    frame = odd_readings.frame(random)
    forecast = _forecaster().forecast(frame, every=random.random() < 0.5)
    numbers = forecast.select_dtypes("number").to_numpy(np.float64)
    if not np.isfinite(numbers).all() or forecast.isna().to_numpy().any():
        raise ArithmeticError(f"a forecast without a number: {forecast}")


def _clean_frames(random: Random) -> None:
    """A frame, to clean readings, by any configuration."""
    gaps, kind = random.choice(("segment", "interpolate", "error")), random.choice(("energy", "counter", "power"))
    zone, label = random.choice((None, None, "Europe/London")), random.choice(("start", "end"))
    minutes = random.choice((10, 10, 5, 30, 1440))
    _cleaned(
        odd_readings.frame(random),
        _CONFIG.model_copy(
            update={"gaps": gaps, "kind": kind, "timezone": zone, "label": label, "cadence_minutes": minutes}
        ),
    )


def _settings(random: Random) -> None:
    """Settings and a configuration file, to an experiment."""
    preset, given, text = odd_settings.given(random)
    with _folder() as folder:
        config = folder / "odd.toml"
        with contextlib.suppress(UnicodeEncodeError):
            config.write_text(text, encoding="utf-8")
        experiment = read_experiment(preset=preset, config=config if text else None, settings=given)
    if read_experiment(config=None, preset=experiment.preset).preset != experiment.preset:
        raise AssertionError("another preset")


ENTRANCES: dict[str, Callable[[Random], None]] = {
    "files": _files,
    "frames to clean readings": _clean_frames,
    "frames to a forecast": _frames,
    "configurations": _settings,
}


def _cleaned(frame: pd.DataFrame, config: ReadingsConfig = _CONFIG) -> None:
    before = frame.copy(deep=True)
    settled, _ = settle(frame, config)
    cleaned = clean(frame, settled)
    raise_faults(cleaned.faults)
    if not np.isfinite(cleaned.frame.to_numpy(np.float64)).all():
        raise ArithmeticError("a reading that is no number came through")
    if not cleaned.frame.index.is_monotonic_increasing or not cleaned.frame.index.is_unique:
        raise ArithmeticError("time stamps came through that are not in order")
    if not before.columns.equals(frame.columns) or len(before) != len(frame):
        raise ArithmeticError("what was given has been changed")


@cache
def _forecaster() -> Forecaster:
    from wattcast.model.network.build import build, initial_weights

    prepared = prepare(house(80))
    network = GRUConfig(layers=(LayerConfig(units=2),))
    shape = Shape.of(prepared.windows.train)
    plain = build(network, shape, [initial_weights(network, shape, 0)])
    return Forecaster(_CONFIG, prepared.windows.train.config, prepared.scaler, network, plain)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
