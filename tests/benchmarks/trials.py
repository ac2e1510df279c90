"""A search in one process: what a later trial costs that only differs in its hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.benchmarks.contenders import Train, stock_keras, wattcast
from tests.benchmarks.house import House, make_house
from tests.benchmarks.memory import resident_mb
from tests.benchmarks.processes import in_child
from tests.benchmarks.settings import Setting, Size, Trial
from tests.benchmarks.stopwatch import Watched, watch
from tests.benchmarks.table import Group, Row, Table

TRIALS = (Trial(), Trial(3e-3, decay_rate=0.9, seed=1), Trial(5e-4, decay_rate=0.5, seed=2))
SHORT = Setting(windows=1_000)  # where only memory counts
MARKS = (1, 10, 50, 100)  # trials

Searched = Callable[[House, Setting, int, Trial], Train]


def second_trial_table(size: Size) -> Table:
    """Epochs of three trials after each other."""
    setting = Setting(windows=size.windows)
    rows = {
        name: in_child(_trial_epochs, contender, setting, size.epochs + 1)
        for name, contender in {"wattcast": wattcast, "Keras": stock_keras}.items()
    }
    return Table(
        f"Trials with other learning rate, decay and seed in one process ({setting})",
        ("who", "trial", "first epoch s", "later epochs s", f"all {size.epochs + 1} s"),
        tuple(Group(tuple(_trial_row(name, *run) for run in enumerate(runs, 1))) for name, runs in rows.items()),
    )


def memory_table(size: Size) -> Table:
    """Memory that a process holds after many trials."""
    ours = in_child(_resident_after, wattcast, size.trials)
    stock = in_child(_resident_after, stock_keras, size.stock_trials, clear=True)
    marks = sorted(ours | stock)
    return Table(
        "Memory in MB held after n short trials in one process, no two alike (Keras: clear_session after each)",
        ("who", *(f"n = {mark}" for mark in marks), "MB a trial"),
        (Group((_memory_row("wattcast", ours, marks), _memory_row("Keras", stock, marks))),),
        notes=("MB a trial: wattcast from trial 10 on, Keras from trial 1 on.",),
    )


def _trial_epochs(contender: Searched, setting: Setting, epochs: int) -> list[Watched]:
    house = make_house(setting.windows, setting.lookback)
    return [watch(contender(house, setting, epochs, trial)) for trial in TRIALS]


def _trial_row(name: str, number: int, seconds: Watched) -> Row:
    first, *later = seconds.epochs
    return (name, str(number), f"{first:.2f}", f"{median(later):.3f}", f"{seconds.whole:.2f}")


def _resident_after(contender: Searched, trials: int, *, clear: bool = False) -> dict[int, float]:
    """MB held after each marked trial, and after the last one."""
    import keras

    house = make_house(SHORT.windows, SHORT.lookback)
    held = {}
    for number in range(1, trials + 1):
        trial = Trial(1e-3 * 1.01**number, decay_rate=1 - number / 1000, keep_prob=1 - number / 250, seed=number)
        contender(house, SHORT, 2, trial)(lambda *_: None)
        if clear:
            keras.utils.clear_session()
        if number in MARKS or number == trials:
            held[number] = resident_mb()
    return held


def _memory_row(name: str, held: dict[int, float], marks: list[int]) -> Row:
    cells = [f"{held[mark]:.0f}" if mark in held else "" for mark in marks]
    last = max(held)
    first = min(mark for mark in held if mark >= last / 10)
    return (name, *cells, f"{(held[last] - held[first]) / (last - first):.2f}")
