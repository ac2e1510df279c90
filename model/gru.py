"""The seed's GRU variants, and a better one, as one family of plain Keras models.

B: windows in a batch. T: lookback. F: input columns. U: units of a layer. R: width of the readout.
L: output length. K: targets. A: columns that are known of each row beforehand, the calendar first.

Conventions. The update gate z keeps the past: `h = z * h_prev + (1 - z) * candidate`, as in TensorFlow 1's GRUCell and
in Keras (Cho et al. 2014 write it the other way round). With `reset_after = false` the reset gate acts before the
recurrent matrix product, `tanh(x W + (r * h_prev) R + b)` (Cho et al. 2014, arXiv:1406.1078v3; TensorFlow 1); with
`reset_after = true` after it, `tanh(x W + b + r * (h_prev R + b_r))` (cuDNN).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from wattcast.model.arrays import Array
from wattcast.model.config import Config
from wattcast.model.windows import CALENDAR_COLUMNS, WindowConfig, Windows

NAME = "gru"
"""What the network is called among the models that are scored."""
_HEAD_UNITS = 48


class LayerConfig(Config):
    """One GRU layer, wrapped as TensorFlow 1's DropoutWrapper does: fresh masks each step, never on the state."""

    units: int = Field(ge=1, le=4096, description="width of the state")
    input_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of what enters the layer")
    output_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of what it hands to the next layer")


class GRUConfig(Config):
    """A stacked GRU, its readout and its head."""

    layers: tuple[LayerConfig, ...] = Field(
        min_length=1, max_length=32, description="GRU layers, the first one reads the window"
    )
    reset_after: bool = Field(
        True, description="reset gate after the matrix product (cuDNN) or before it (TensorFlow 1)"
    )
    gate_bias: float = Field(0.0, description="initial bias of both gates; TensorFlow 1's cell starts at 1")
    recurrent_initialiser: Literal["orthogonal", "glorot", "identity"] = Field(
        "orthogonal", description="initial recurrent weights; identity puts one unit matrix into each gate"
    )
    readout: Literal["states", "last_state", "last_output", "outputs"] = Field(
        "last_state",
        description="what the head reads: the final states of all layers, the last layer's, or the last layer's output "
        "behind its output_keep_prob; or all outputs of the last layer, each of which gives one step of a forecast as "
        "long as the lookback, through a head that all steps share",
    )
    readout_keep_prob: float = Field(1.0, gt=0, le=1, description="keep probability of the readout")
    tanh_layer: bool = Field(False, description="a tanh layer as wide as the last GRU layer between readout and output")
    regularisation_scale: float = Field(
        0.0, ge=0, description="penalty on the tanh layer's kernel W: scale * sum(W^2) / 2 (Frobenius)"
    )
    residual: bool = Field(False, description="forecast the change from the newest reading of the target")
    target_calendar: bool = Field(False, description="the head also reads the calendar of the time it forecasts")
    head: Literal["direct", "shared"] = Field(
        "direct",
        description="direct: each step is a weighted sum of the readout and of what is known of all steps; shared: a "
        "tanh layer that all steps share reads the readout, what is known of its step, and a bias of each step's own, "
        "and the nearest steps read the readout directly, too",
    )
    head_units: int = Field(_HEAD_UNITS, ge=1, description="width of the tanh layer of a shared head")

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> GRUConfig:
        if self.regularisation_scale and not self.tanh_layer:
            raise ValueError(
                f"regularisation_scale acts on the tanh layer's kernel, received {self.regularisation_scale} without "
                f"that layer: set tanh_layer = true or regularisation_scale = 0"
            )
        if self.head == "shared" and (self.tanh_layer or self.readout == "outputs" or not self.target_calendar):
            raise ValueError(
                f"a shared head has a tanh layer of its own, reads one readout and the calendar of each step: head = "
                f"'shared' needs tanh_layer = false, a readout other than 'outputs' and target_calendar = true, "
                f"received {self.tanh_layer}, {self.readout!r} and {self.target_calendar}"
            )
        if self.head != "shared" and self.head_units != _HEAD_UNITS:
            raise ValueError(
                f"head_units is the width of a shared head's tanh layer: set head = 'shared' or leave out head_units, "
                f"received {self.head!r} and {self.head_units}"
            )
        if self.readout not in {"last_output", "outputs"} and self.layers[-1].output_keep_prob < 1:
            raise ValueError(
                f"the last layer hands its output to nothing when the readout is {self.readout!r}: set its "
                f"output_keep_prob = 1 or readout = 'last_output', received {self.layers[-1].output_keep_prob}"
            )
        return self

    def require_fit(self, window: WindowConfig) -> None:
        """Refuse windows that the network has no form for.

        Raises:
            ValueError: with the readout `outputs`, a forecast that is not as long as the lookback, or short histories,
                whose padded steps would forecast from nothing.
        """
        if self.readout != "outputs":
            return
        if window.output_length != window.lookback:
            raise ValueError(
                f"with model.readout = 'outputs' each step of the lookback gives one of the forecast: window.lookback "
                f"and window.output_length must be equal, received {window.lookback} and {window.output_length}"
            )
        if window.padded:
            raise ValueError(
                f"with model.readout = 'outputs' each step of the lookback gives one of the forecast, also if padded: "
                f"leave out window.min_history, received {window.min_history}"
            )


@dataclass(frozen=True)
class Shape:
    """The sizes that a network has beside those of its configuration."""

    lookback: int
    inputs: int
    targets: int
    output_length: int
    padded: bool = False  # histories may be shorter than the lookback: their first places are masked
    ahead: int = len(CALENDAR_COLUMNS)  # columns that are known of each row beforehand

    @classmethod
    def of(cls, windows: Windows) -> Shape:
        """What a network needs that forecasts `windows`."""
        series = windows.series
        return cls.fitting(windows.config, series.inputs.shape[1], series.targets.shape[1], series.ahead.shape[1])

    @classmethod
    def fitting(cls, config: WindowConfig, inputs: int, targets: int, ahead: int) -> Shape:
        """What a network needs for windows of `config` with so many columns."""
        return cls(config.lookback, inputs, targets, config.output_length, config.padded, ahead)


Weights = tuple[Array, ...]
"""A network's weights, in the order of `weight_names`."""
W = TypeVar("W")


def weight_names(config: GRUConfig) -> tuple[str, ...]:
    """What each of a network's `Weights` is, in the order of Keras: `gru_1/kernel`, ..., `output/bias`."""
    recurrent = (f"gru_{number}" for number, _ in enumerate(config.layers, start=1))
    gates = tuple(f"{layer}/{weight}" for layer in recurrent for weight in ("kernel", "recurrent_kernel", "bias"))
    if config.head == "shared":
        return (*gates, "near/kernel", "state/kernel", "step/kernel", "step/bias", "output/kernel", "output/bias")
    dense = ("tanh", "output") if config.tanh_layer else ("output",)
    return (
        *gates,
        *(f"{layer}/{weight}" for layer in dense for weight in ("kernel", "bias")),
    )


def named_weights(config: GRUConfig, weights: Iterable[W]) -> dict[str, W]:
    """One thing for each of a network's weights, by their names and in their order."""
    return dict(zip(weight_names(config), weights, strict=True))


def layer_weights(weights: Mapping[str, W], layer: str) -> tuple[W, ...]:
    """Those of one layer, in its order."""
    return tuple(weight for name, weight in weights.items() if name.startswith(f"{layer}/"))


def keep_probs(config: GRUConfig) -> dict[str, float]:
    """The keep probability at each place where `connect` may drop something."""
    places = {}
    for number, layer in enumerate(config.layers, start=1):
        places[f"input_dropout_{number}"] = layer.input_keep_prob
        places[f"output_dropout_{number}"] = layer.output_keep_prob
    return {**places, "readout_dropout": config.readout_keep_prob}


def structure(config: GRUConfig) -> GRUConfig:
    """`config` without what its weights' shapes and the order of computation do not depend on."""
    return GRUConfig(
        layers=tuple(LayerConfig(units=layer.units) for layer in config.layers),
        **config.model_dump(
            include={"reset_after", "readout", "tanh_layer", "residual", "target_calendar", "head", "head_units"}
        ),
    )
