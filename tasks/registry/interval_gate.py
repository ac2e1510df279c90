"""Whether a challenger's intervals are sound: what they hold of the held-out span, and what they lose beside others.

Each level is looked at over all steps and at each named lead time, of each target. So that no sound model is refused
because one of so many looks has bad luck, they share the doubt that `gate.level` leaves (Bonferroni): of ten looks at
95 % each has an interval of 99.5 %.

N: windows of the held-out span. L: output length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from wattcast.model.arrays import Floats
from wattcast.model.windows import WindowConfig
from wattcast.tasks.bootstrap import Interval, difference_interval, of_each, of_few_days, statistic_interval
from wattcast.tasks.fan import Fan
from wattcast.tasks.numbers import readable, with_unit
from wattcast.tasks.registry.gate import Check, GateConfig
from wattcast.tasks.registry.looks import Look, looks, percent

COVERAGE, WINKLER = "coverage", "winkler"
"""The names of both checks."""


@dataclass(frozen=True)
class Held:
    """Which share of the readings the intervals of a look hold, and the bootstrap interval of that over days."""

    look: Look
    share: float
    interval: Interval

    def within(self, low: float, high: float) -> bool:
        """It may lie between two shares, as far as luck goes; not where it is no number."""
        return self.interval[1] >= low and self.interval[0] <= high

    @property
    def words(self) -> str:
        """`90 % intervals hold 61.2 % of the readings (55.0 to 67.1 %)`."""
        low, high = (100 * each for each in self.interval)
        return f"{self.look.intervals} hold {percent(self.share, 1)} of the readings ({low:.1f} to {high:.1f} %)"


def held(
    actual: Floats, fan: Fan, config: GateConfig, window: WindowConfig, *, day: int, targets: int = 1
) -> tuple[Held, ...]:
    """What the intervals of all looks hold of `actual` `[N, L]`, which is one of so many `targets`."""
    asked = looks(fan.levels, window, day)
    found = []
    for look in asked:
        hits = look.of(fan.hits(actual, look.level))  # [N]
        sure = of_each(config.level, len(asked) * targets)
        interval = statistic_interval((hits[None],), _alone, block=day, level=sure)
        found.append(Held(look, float(hits.mean()), interval))
    return tuple(found)


def check_coverage(
    actual: Floats, challenger: Fan, config: GateConfig, window: WindowConfig, *, day: int, targets: int = 1
) -> Check:
    """Its intervals hold the share of the held-out readings that they say, within a band and beyond luck.

    Luck is that of the days: the bootstrap interval of the share must reach into the band around the level. The looks
    of so many `targets` share the doubt.
    """
    found = held(actual, challenger, config, window, day=day, targets=targets)
    numbers: dict[str, float] = {}
    broken = []
    for each in found:
        level, band = each.look.level, config.coverage_band
        low, high = max(level - band, 0.0), min(level + band, 1.0)
        numbers |= {each.look.named("held"): each.share}
        numbers |= dict(zip(map(each.look.named, ("low", "high")), each.interval, strict=True))
        if not each.within(low, high):
            broken.append(f"{each.words}, {100 * low:g} to {100 * high:g} % are allowed (gate.coverage_band)")
    if broken:
        return Check(COVERAGE, False, "; ".join(broken), numbers)
    return Check(COVERAGE, True, "; ".join(each.words for each in found if each.look.ahead is None), numbers)


def check_winkler(
    actual: Floats,
    challenger: Fan,
    champion: Fan,
    config: GateConfig,
    window: WindowConfig,
    *,
    day: int,
    unit: str | None,
    targets: int = 1,
) -> Check:
    """Its intervals lose no more than the champion's, beyond luck: by Winkler's score, of the levels that both have.

    The interval of the paired difference, of whole days and as wide as so few need, must reach down to zero. A level
    that only one of them has is told: that a champion's intervals are given up is what `gate.allow_new_signature` lets
    pass. The looks of so many `targets` share the doubt.
    """
    shared = [level for level in challenger.levels if level in champion.levels]
    asked = looks(shared, window, day)
    told = [*_told(challenger.levels, champion.levels)]
    numbers: dict[str, float] = {}
    worse = []
    for look in asked:
        one, other = (look.of(fan.losses(actual, look.level)) for fan in (champion, challenger))  # [N]
        sure = of_each(config.level, len(asked) * targets)
        theirs, ours = float(one.mean()), float(other.mean())
        interval = difference_interval(one[None], other[None], block=day, level=sure, score=np.positive)
        low, high = of_few_days(interval, ours - theirs, days=len(one) / day, level=sure)
        figures = {"champion": theirs, "challenger": ours, "difference": ours - theirs, "low": low, "high": high}
        numbers |= {look.named(name): value for name, value in figures.items()}
        change = partial(readable, decimals=2, like=theirs, sign=True)
        found = (
            f"Winkler score of {with_unit(readable(ours, 2), unit)} against {with_unit(readable(theirs, 2), unit)}, "
            f"difference {with_unit(change(ours - theirs), unit)} ({change(low)} to {change(high)})"
        )
        if not low <= 0:  # so, as NaN is neither
            worse.append(f"{look.intervals} are worse than the champion's: {found}")
        elif look.ahead is None:
            told.append(f"{look.intervals}: {found}")
    return Check(WINKLER, not worse, "; ".join(worse or told), numbers)


def _told(mine: Sequence[float], theirs: Sequence[float]) -> Iterator[str]:
    """Which levels cannot be compared."""
    if new := [level for level in mine if level not in theirs]:
        yield f"the champion has no {_listed(new)} intervals to compare with"
    if gone := [level for level in theirs if level not in mine]:
        yield f"the champion's {_listed(gone)} intervals are given up, which gate.allow_new_signature lets pass"


def _listed(levels: Sequence[float]) -> str:
    return " and ".join(map(percent, levels))


def _alone(means: Floats) -> Floats:
    """The mean itself: the statistic of one model on one part."""
    alone: Floats = means[0]
    return alone
