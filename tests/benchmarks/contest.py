"""The contest: an epoch of everyone in turns, so that the machine's noise hits all alike."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median

from tests.benchmarks.contenders import Contender, contenders
from tests.benchmarks.peak import matrix_product_flops
from tests.benchmarks.processes import Lap, Runner
from tests.benchmarks.settings import Setting, Size
from tests.benchmarks.table import Group, Row, Table

SETTINGS = (Setting(), Setting(layers=(64, 32)), Setting(batch_size=32))
US = "wattcast"


@dataclass(frozen=True)
class Contest:
    """The laps of each contender, of which the first is apart: it builds and compiles; and the machine's peak."""

    setting: Setting
    laps: dict[str, list[Lap]]
    peak_flops: float  # a second


def contest_table(size: Size) -> Table:
    """Everyone in every setting."""
    everyone = contenders()
    contests = [
        run_contest(replace(setting, windows=size.windows), everyone, rounds)
        for setting, rounds in zip(SETTINGS, size.rounds, strict=True)
    ]
    peak = max(contest.peak_flops for contest in contests)
    skipped = () if "PyTorch" in everyone else ("PyTorch is not installed and was skipped: pip install -e '.[bench]'",)
    return Table(
        f"Training on {size.windows:,} windows of {SETTINGS[0].lookback} steps",
        ("who", "first s", "epoch s", "min-max", "ratio", "peak MB", "of peak"),
        tuple(_group(contest, peak) for contest in contests),
        notes=(
            "first: first epoch, with building, tracing and compiling; ratio: to wattcast in the same round, median; "
            "peak MB: above imports and data; "
            f"of peak: of the machine's {peak / 1e9:.0f} GFLOP/s in large matrix products.",
            *skipped,
        ),
    )


def run_contest(setting: Setting, everyone: dict[str, Contender], rounds: int) -> Contest:
    """One first epoch and `rounds` more of everyone, each round begun by another one."""
    with ExitStack() as stack:
        runners = [
            stack.enter_context(Runner(name, contender, setting, rounds + 1)) for name, contender in everyone.items()
        ]
        for runner in runners:
            runner.wait()
        laps: dict[str, list[Lap]] = {runner.name: [] for runner in runners}
        peaks = []
        for number in range(rounds + 1):
            peaks.append(matrix_product_flops())
            first = number % len(runners)
            for runner in runners[first:] + runners[:first]:
                laps[runner.name].append(runner.epoch())
    return Contest(setting, laps, max(peaks))


def _group(contest: Contest, peak_flops: float) -> Group:
    rows = tuple(_row(contest, name, peak_flops) for name in contest.laps)
    return Group(rows, heading=str(contest.setting))


def _row(contest: Contest, name: str, peak_flops: float) -> Row:
    first, *later = contest.laps[name]
    seconds = [lap.seconds for lap in later]
    ratios = [lap.seconds / ours.seconds for lap, ours in zip(later, contest.laps[US][1:], strict=True)]
    share = contest.setting.epoch_flops / median(seconds) / peak_flops
    return (
        name,
        f"{first.seconds:.2f}",
        f"{median(seconds):.3f}",
        f"{min(seconds):.2f}-{max(seconds):.2f}",
        f"{median(ratios):.2f}",
        f"{contest.laps[name][-1].added_mb:.0f}",
        f"{share:.1%}",
    )
