"""How the benchmarks drive wattcast: its configurations, and a forecaster whose weights do not matter."""

from __future__ import annotations

from tests.benchmarks.house import READINGS, House
from tests.benchmarks.settings import Setting, Trial
from wattcast.model.fit import FitConfig
from wattcast.model.forecaster import Forecaster
from wattcast.model.gru import GRUConfig, LayerConfig
from wattcast.model.network.training import train_network
from wattcast.model.split import Split


def gru_config(setting: Setting, trial: Trial) -> GRUConfig:
    """The network of a setting."""
    layers = tuple(LayerConfig(units=units) for units in setting.layers)
    return GRUConfig(layers=layers, readout_keep_prob=trial.keep_prob)


def fit_config(setting: Setting, trial: Trial, epochs: int, members: int) -> FitConfig:
    """A training that does all of its epochs."""
    return FitConfig(
        initial_learning_rate=trial.learning_rate,
        decay_rate=trial.decay_rate,
        seed=trial.seed,
        batch_size=setting.batch_size,
        epochs=epochs,
        patience=epochs,
        members=members,
        kernel="fast",
    )


def make_forecaster(house: House, setting: Setting) -> Forecaster:
    """A forecaster that saw a few windows once."""
    few = Split(*(part.take(slice(setting.batch_size)) for _, part in house.windows.items()))
    model = gru_config(setting, Trial())
    fitted = train_network(model, fit_config(setting, Trial(), epochs=1, members=1), few, house.scaler)
    return Forecaster(
        readings=READINGS,
        window=house.windows.train.config,
        scaler=house.scaler,
        model=model,
        network=fitted.network,
    )
