"""Where intervals are looked at: each level over all steps of a forecast, and at each named lead time.

N: forecasts. L: output length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattcast.model.arrays import Floats
from wattcast.model.windows import WindowConfig, named_leads


@dataclass(frozen=True)
class Look:
    """A level at one lead time, or over all steps where `ahead` is None."""

    level: float
    ahead: int | None
    steps: slice  # of L

    @property
    def intervals(self) -> str:
        """`90 % intervals, 36 steps ahead,` in a sentence."""
        at = "" if self.ahead is None else f", {self.ahead} {'step' if self.ahead == 1 else 'steps'} ahead,"
        return f"{percent(self.level)} intervals{at}"

    def named(self, figure: str) -> str:
        """What a figure of it is called among those of a check: `low_90_at_36`."""
        return f"{figure}_{100 * self.level:g}" + (f"_at_{self.ahead}" if self.ahead is not None else "")

    def of(self, losses: Floats) -> Floats:
        """`[N, L]` -> `[N]`."""
        means: Floats = losses[:, self.steps].mean(axis=1)
        return means


def looks(levels: Sequence[float], window: WindowConfig, day: int) -> tuple[Look, ...]:
    """Each level over all steps, then at each named lead time; `day` steps make a day."""
    first = window.steps_ahead
    at = [(lead, slice(lead - first, lead - first + 1)) for lead in named_leads(window, day)]
    return tuple(Look(level, ahead, steps) for ahead, steps in [(None, slice(None)), *at] for level in levels)


def percent(share: float, decimals: int | None = None) -> str:
    """`90 %`, or with so many decimals `61.2 %`."""
    return f"{100 * share:g} %" if decimals is None else f"{100 * share:.{decimals}f} %"
