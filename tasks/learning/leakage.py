"""The proof that training saw nothing of what came after it.

All values after a cut are altered and the preparation is done once more. Scaler, windows and targets from before the
cut must come out the same, byte for byte. So must all that a forecast reads which is made right before a cut, where
known columns are altered from behind its last step on alone; where they are revised, every revision is altered that
became available after the newest reading before the cut, whatever step it describes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from wattcast.model.arrays import Array, Floats, Rows
from wattcast.model.revisions import Revisions
from wattcast.model.scaler import Scaler
from wattcast.model.split import Split
from wattcast.model.windows import Windows
from wattcast.tasks.step import step

LEAKAGE_FILE = "leakage.json"
"""The artifact with the proofs."""
_CHUNK = 16_384  # windows hashed at once


Preparation = Callable[..., tuple[Scaler, Split[Windows]]]
"""What makes scaler and windows from a clean frame, and from revisions where there are some."""


@dataclass(frozen=True)
class LeakageProof:
    """Digests (BLAKE2b, hex) of what was read, before and after all values from row `cut` on were altered.

    Those of known columns are altered from row `known_cut` on; where they are revised, `altered_revisions` of them.
    """

    name: str
    cut: int
    cut_time: str
    altered_rows: int
    known_cut: int
    before: dict[str, str]
    after: dict[str, str]
    altered_revisions: int = 0

    @property
    def passed(self) -> bool:
        """Nothing that the training read has changed."""
        return self.before == self.after


class LeakageError(RuntimeError):
    """Training read values from behind its cut: a fault of the pipeline, and its scores are worthless."""


def proofs_record(proofs: Sequence[LeakageProof]) -> dict[str, Any]:
    """The proofs as a run keeps them."""
    return {proof.name: {"passed": proof.passed, **asdict(proof)} for proof in proofs}


def require_passed(proofs: Sequence[LeakageProof], place: str) -> None:
    """All of them have; `place` is where they are written down.

    Raises:
        LeakageError: one has not.
    """
    if leaks := [proof.name for proof in proofs if not proof.passed]:
        raise LeakageError(f"values from behind the cut have reached {' and '.join(leaks)}: see {place}")


def prove_no_leakage(
    frame: pd.DataFrame,
    rows: Split[range],
    scaler: Scaler,
    windows: Split[Windows],
    *,
    known: Sequence[str],
    prepare: Preparation,
    revisions: Revisions | None = None,
) -> tuple[LeakageProof, LeakageProof, LeakageProof]:
    """What training reads and what comes after it; what a refit reads and the test part; a forecast and its future.

    `scaler` and `windows` are those that were trained on; `prepare` makes them from a clean frame, whose columns
    `known` are known of rows to come, and from its `revisions` where they are revised. `frame` stays as it is.
    """

    def proof(name: str, cut: int, read: Callable[[Split[Windows]], Windows], *, ahead: int = 0) -> LeakageProof:
        later = () if revisions is None else (_alter_later(revisions, pd.Timestamp(frame.index[cut - 1])),)
        beyond = ahead if revisions is None else 0  # a history reads nothing of later steps, and forecasts revisions
        scaler_again, windows_again = prepare(_alter(frame, cut, known, cut + beyond), *later)
        return LeakageProof(
            name=name,
            cut=cut,
            cut_time=str(frame.index[cut]),
            altered_rows=len(frame) - cut,
            known_cut=cut + beyond,
            before=_digests(scaler, read(windows), targets=not ahead),
            after=_digests(scaler_again, read(windows_again), targets=not ahead),
            altered_revisions=0 if revisions is None else int((revisions.available_at > frame.index[cut - 1]).sum()),
        )

    test, config = rows.test.start, windows.test.config
    return (
        proof("training", rows.validation.start, lambda parts: parts.train),
        proof("refit", rows.validation.stop, lambda parts: parts.train + parts.validation),
        proof("forecast", test, partial(_across, test), ahead=config.rows - config.lookback),
    )


prove_no_leakage_task = step(prove_no_leakage)


def _across(cut: int, parts: Split[Windows]) -> Windows:
    """The forecasts that are made before row `cut`, of steps behind it."""
    every = parts.train + parts.validation + parts.test
    return every.take(np.flatnonzero((every.newest_row < cut) & (every.target_rows[:, -1] >= cut)))


def _alter(frame: pd.DataFrame, cut: int, known: Sequence[str], known_cut: int) -> pd.DataFrame:
    """A copy of `frame` in which every value from row `cut` on is another one, of `known` columns from `known_cut`."""
    altered, draws = frame.copy(), np.random.default_rng(0)
    for name in frame.columns:
        begin = known_cut if name in known else cut
        values = altered[name].to_numpy(copy=True)
        values[begin:] = values[begin:] * draws.uniform(0.5, 2.0, len(values[begin:])) + 1
        altered[name] = values
    return altered


def _alter_later(revisions: Revisions, moment: pd.Timestamp) -> Revisions:
    """Those in which every value is another one that became available after a moment."""
    given, later = revisions.given.copy(), np.asarray(revisions.available_at > moment)
    draws = np.random.default_rng(1)
    for name in given.columns:
        column = given[name].to_numpy(copy=True)
        column[later] = column[later] * draws.uniform(0.5, 2.0, int(later.sum())) + 1
        given[name] = column
    return replace(revisions, given=given)


def _digests(scaler: Scaler, windows: Windows, *, targets: bool) -> dict[str, str]:
    series, lengths = windows.series, [] if windows.lengths is None else [windows.lengths]
    digests = {
        "scaler": _digest([scaler.log.astype(np.float64), scaler.offset, scaler.scale, scaler.knee]),
        "windows": _digest(chain(lengths, (series.inputs[of.input_rows] for of in windows.chunks(_CHUNK)))),
        "ahead": _digest(series.ahead[part.ahead_rows] for part in windows.chunks(_CHUNK)),
    }
    if targets:
        digests["targets"] = _digest(series.targets[part.target_rows] for part in windows.chunks(_CHUNK))
    return digests


def _digest(arrays: Iterable[Array | Floats | Rows]) -> str:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()
