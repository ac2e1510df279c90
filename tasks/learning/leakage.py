"""The proof that training saw nothing of what came after it.

All values after a cut are altered and the preparation is done once more. Scaler, windows and targets from before the
cut must come out the same, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array, Floats, Rows
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.step import step

_CHUNK = 16_384  # windows hashed at once


Preparation = Callable[[pd.DataFrame], tuple[Scaler, Split[Windows]]]


@dataclass(frozen=True)
class LeakageProof:
    """Digests (BLAKE2b, hex) of what a training read, before and after all values from row `cut` on were altered."""

    name: str
    cut: int
    cut_time: str
    altered_rows: int
    before: dict[str, str]
    after: dict[str, str]

    @property
    def passed(self) -> bool:
        """Nothing that the training read has changed."""
        return self.before == self.after


class LeakageError(RuntimeError):
    """Training read values from behind its cut: a fault of the pipeline, and its scores are worthless."""


def prove_no_leakage(
    frame: pd.DataFrame, rows: Split[range], scaler: Scaler, windows: Split[Windows], *, prepare: Preparation
) -> tuple[LeakageProof, LeakageProof]:
    """One proof for what training reads and what comes after it, one for what a refit reads and the test part.

    `scaler` and `windows` are those that were trained on; `prepare` makes them from a clean frame. `frame` stays as it
    is.
    """

    def proof(name: str, cut: int, read: Callable[[Split[Windows]], Windows]) -> LeakageProof:
        scaler_again, windows_again = prepare(_alter(frame, cut))
        return LeakageProof(
            name=name,
            cut=cut,
            cut_time=str(frame.index[cut]),
            altered_rows=len(frame) - cut,
            before=_digests(scaler, read(windows)),
            after=_digests(scaler_again, read(windows_again)),
        )

    return (
        proof("training", rows.validation.start, lambda parts: parts.train),
        proof("refit", rows.test.start, lambda parts: parts.train + parts.validation),
    )


prove_no_leakage_task = step(prove_no_leakage)


def _alter(frame: pd.DataFrame, cut: int) -> pd.DataFrame:
    """A copy of `frame` in which every value from row `cut` on is another one."""
    altered = frame.copy()
    noise = np.random.default_rng(0).uniform(0.5, 2.0, altered.iloc[cut:].shape)
    altered.iloc[cut:] = altered.iloc[cut:].to_numpy() * noise + 1
    return altered


def _digests(scaler: Scaler, windows: Windows) -> dict[str, str]:
    series, lengths = windows.series, [] if windows.lengths is None else [windows.lengths]
    return {
        "scaler": _digest([scaler.log.astype(np.float64), scaler.offset, scaler.scale, scaler.knee]),
        "training_windows": _digest(chain(lengths, (series.inputs[of.input_rows] for of in windows.chunks(_CHUNK)))),
        "training_targets": _digest(series.targets[part.target_rows] for part in windows.chunks(_CHUNK)),
    }


def _digest(arrays: Iterable[Array | Floats | Rows]) -> str:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()
