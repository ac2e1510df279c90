"""Energy out of counters, by hand-computed numbers; resets, blips and holes; what a counter looks like."""

import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattcast.model.counter import counter_to_energy, looks_like_counter
from wattcast.tasks.data.simulate import simulate

NAN = np.nan


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def energy(*values: float, longest: int = 0, signed: bool = False) -> list[float]:
    return counter_to_energy(floats(*values), signed=signed).in_steps(longest=longest).tolist()


def same(got: list[float], *want: float) -> None:
    np.testing.assert_array_equal(got, want)


# Counters


def test_differences_end_with_their_reading():
    same(energy(48123765, 48124086, 48124086, 48124500), NAN, 321, 0, 414)
    same(energy(5), NAN)
    same(energy())


def test_a_reset_counts_from_zero():
    counter = counter_to_energy(floats(100, 110, 3, 13, 25))
    same(counter.in_steps().tolist(), NAN, 10, 3, 10, 12)
    assert counter.resets.tolist() == [2]
    assert counter.notes("wh") == ("counter 'wh': 1 of 5 readings fell and began again from zero (first in row 2)",)


def test_a_counter_of_each_day_is_reset_each_day():
    """Also where the next day passes the last value within a few readings: all of it in ordinary steps."""
    counter = counter_to_energy(floats(0, 1, 2, 0, 1, 3, 1, 2, 4))
    same(counter.in_steps().tolist(), NAN, 1, 1, 0, 1, 2, 1, 1, 2)
    assert counter.resets.tolist() == [3, 6]
    assert not len(counter.blips)


@pytest.mark.parametrize(
    ("readings", "want", "blips"),
    [
        ((100, 110, 0, 130, 140), (NAN, 10, 0, 20, 10), [2]),
        ((100, 110, 0, 0, 0, 150, 160), (NAN, 10, 0, 0, 0, 40, 10), [2, 3, 4]),
        ((1000.5, 1001.5, 1001.25, 1002.5, 1003), (NAN, 1, 0, 1, 0.5), [2]),
        ((100, 110, 9999, 130, 140), (NAN, 10, 0, 20, 10), [2]),
        ((100, 110, 9999, 9999, 9e9, 150, 160, 170), (NAN, 10, 0, 0, 0, 40, 10, 10), [2, 3, 4]),
        ((100, 110, 9999, 0, 140, 150), (NAN, 10, 0, 0, 30, 10), [2, 3]),
        ((100, 110, 0, 9999, 140, 150), (NAN, 10, 0, 0, 30, 10), [2, 3]),
        ((100, 110, 0, 110, 110, 120), (NAN, 10, 0, 0, 0, 10), [2]),
        ((5000, 5010, 0, 5150, 5160), (NAN, 10, 0, 140, 10), [2]),
        ((100, 110, 0, 120, 0, 140, 150, 160), (NAN, 10, 0, 10, 0, 20, 10, 10), [2, 4]),
        ((9000, 9010, NAN, 0, NAN, 9050, 9060), (NAN, 10, NAN, NAN, NAN, NAN, 10), [3]),
    ],
)
def test_a_blip_is_ignored_and_its_energy_goes_to_the_step_that_recovers(readings, want, blips):
    counter = counter_to_energy(floats(*readings))
    same(counter.in_steps().tolist(), *want)
    assert counter.blips.tolist() == blips
    assert not len(counter.resets)
    assert any("came back: ignored" in note for note in counter.notes("wh"))


def test_what_does_not_come_back_soon_is_a_reset():
    counter = counter_to_energy(floats(100, 110, 0, 0, 0, 0, 150, 160))
    same(counter.in_steps().tolist(), NAN, 10, 0, 0, 0, 0, 150, 10)
    assert counter.resets.tolist() == [2]


def test_a_leap_that_stays_is_kept_and_told():
    counter = counter_to_energy(floats(0, 100000, 100010, 100020, 100030))
    same(counter.in_steps().tolist(), NAN, 100000, 10, 10, 10)
    (note,) = counter.notes("wh")
    assert note.startswith("counter 'wh': 1 of 5 readings rose by more than 1,000 times the median rise: kept")


def test_a_large_load_for_a_while_is_no_blip():
    same(energy(0, 1, 2, 3, 50, 100, 100, 101), NAN, 1, 1, 1, 47, 50, 0, 1)


def test_a_small_fall_that_stays_is_a_correction_and_no_reset():
    """As a reset it would count all of the meter's life at once."""
    counter = counter_to_energy(floats(5000, 5001, 5000.5, 5000.5, 5000.5, 5000.5, 5002))
    same(counter.in_steps().tolist(), NAN, 1, 0, 0, 0, 0, 1.5)
    assert counter.corrections.tolist() == [2]


def test_the_newest_fall_is_not_counted_from_zero_before_it_is_known_what_it_is():
    same(energy(5000, 5010, 5020, 2000), NAN, 10, 10, NAN)
    same(energy(5000, 5010, 5020, 2000, 5040), NAN, 10, 10, 0, 20)
    same(energy(5000, 5010, 5020, 2000, 2010, 2020, 2030), NAN, 10, 10, 2000, 10, 10, 10)
    same(energy(5000, 5010, 5020, 0), NAN, 10, 10, 0)
    same(energy(5000, 5010, 5020, 5019), NAN, 10, 10, 0)


def test_across_a_hole_energy_is_missing_or_spread():
    holes = (10, 12, NAN, 20, 21, NAN, NAN, 30, NAN)
    same(energy(*holes), NAN, 2, NAN, NAN, 1, NAN, NAN, NAN, NAN)
    same(energy(*holes, longest=1), NAN, 2, 4, 4, 1, NAN, NAN, NAN, NAN)
    same(energy(*holes, longest=2), NAN, 2, 4, 4, 1, 3, 3, 3, NAN)
    counter = counter_to_energy(floats(*holes))
    same(counter.energy.tolist(), NAN, 2, NAN, 8, 1, NAN, NAN, 9, NAN)
    assert counter.since.tolist() == [-1, 0, -1, 1, 3, -1, -1, 4, -1]


def test_a_reset_in_a_hole_counts_from_zero_over_the_hole():
    same(energy(100, 101, NAN, 2, 3, longest=1), NAN, 1, 1, 1, 1)


def test_a_few_readings_are_judged_by_the_median_rise_that_is_known():
    night = floats(5000, 5000, 0, 5000, 5001)
    assert counter_to_energy(night).resets.tolist() == [2]  # half of its rises are the way back
    known = counter_to_energy(night, median=10)
    assert known.blips.tolist() == [2]
    assert known.median == 10
    same(known.in_steps().tolist(), NAN, 0, 0, 0, 1)


def test_a_signed_counter_runs_backwards():
    same(energy(100, 90, 95, signed=True), NAN, -10, 5)


def test_nothing_that_was_given_is_changed():
    values = floats(100, 110, 0, NAN, 130)
    before = values.copy()
    counter = counter_to_energy(values)
    counter.in_steps(longest=1)
    np.testing.assert_array_equal(values, before)


RISES = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


@given(RISES, st.integers(0, 10**9))
def test_the_sum_is_the_whole_rise(rises, first):
    values = floats(*(first + np.cumsum([0, *rises])))
    counter = counter_to_energy(values)
    assert np.nansum(counter.in_steps()) == values[-1] - values[0]
    assert not any(map(len, (counter.resets, counter.blips, counter.corrections)))


@given(RISES, st.data())
def test_holes_change_no_sum(rises, data):
    values = floats(*(10**6 + np.cumsum([0, *rises])))
    holes = data.draw(arrays(bool, len(values)))
    holes[[0, -1]] = False
    counter = counter_to_energy(np.where(holes, NAN, values))
    assert np.nansum(counter.energy) == values[-1] - values[0]
    np.testing.assert_allclose(np.nansum(counter.in_steps(longest=99)), values[-1] - values[0], rtol=1e-12)


@given(st.lists(st.lists(st.integers(0, 50), min_size=5, max_size=20), min_size=2, max_size=5))
def test_resets_to_zero_add_what_was_counted_before_them(lives):
    """The sum is what each life of the counter has counted: last less first, plus the values before the resets."""
    values = floats(*np.concatenate([np.cumsum([0, 50, 50, 50, 50, *rises]) for rises in lives]))
    counter = counter_to_energy(values)
    assert np.nansum(counter.in_steps()) == sum(200 + sum(rises) for rises in lives)
    assert len(counter.resets) == len(lives) - 1


@given(
    st.lists(st.integers(1, 9), min_size=30, max_size=60),
    st.integers(3, 20),
    st.lists(st.one_of(st.just(0), st.integers(10**7, 10**9)), min_size=1, max_size=3),
)
def test_a_blip_anywhere_in_a_steady_counter_changes_no_other_step(rises, place, blip):
    values = floats(*(10**6 + np.cumsum([0, *rises])))
    broken = values.copy()
    broken[place : place + len(blip)] = blip
    counter, sound = counter_to_energy(broken), counter_to_energy(values).in_steps()
    steps = counter.in_steps()
    assert counter.blips.tolist() == list(range(place, place + len(blip)))
    assert np.nansum(steps) == values[-1] - values[0]
    back = place + len(blip)
    np.testing.assert_array_equal(steps[back + 1 :], sound[back + 1 :])
    np.testing.assert_array_equal(steps[:place], sound[:place])


@given(arrays(np.float64, st.integers(0, 40), elements=st.one_of(st.just(NAN), st.floats(0, 1e12))))
def test_energy_is_never_negative_whatever_a_counter_shows(values):
    counter = counter_to_energy(values)
    assert not (counter.energy < 0).any()
    assert not (counter.in_steps(longest=3) < 0).any()
    assert np.isnan(counter.energy[np.isnan(values)]).all()


@pytest.mark.parametrize("scale", [0.125, 1024])
@given(arrays(np.float64, st.integers(2, 40), elements=st.integers(0, 10**6)))
def test_the_unit_of_a_counter_changes_nothing_but_the_unit(scale, values):
    np.testing.assert_array_equal(
        counter_to_energy(values * scale).in_steps(), counter_to_energy(values).in_steps() * scale
    )


def test_two_million_readings_of_a_counter_with_faults():
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.integers(0, 50, 2_000_000)).astype(np.float64)
    values[rng.integers(1000, len(values), 2000)] = 0
    started = time.process_time()
    counter = counter_to_energy(values)
    assert len(counter.blips) > 1900
    assert time.process_time() - started < 5


# What is a counter


def test_a_counter_given_as_energy_is_told_with_its_evidence():
    rng = np.random.default_rng(0)
    values = 48123765 + np.cumsum(rng.integers(0, 900, 960)).astype(np.float64)
    assert looks_like_counter(values).startswith(f"it never falls and rises {(np.diff(values) > 0).sum()} times in 959")
    assert "readings.kind = 'counter'" in looks_like_counter(values)
    reset = np.where(np.arange(960) < 500, values, values - values[500])
    assert looks_like_counter(reset).startswith("it falls 1 times")
    reset[[7, 99]] = NAN
    assert looks_like_counter(reset) is not None
    assert looks_like_counter(np.round(values / 1000)) is not None  # in kWh, most readings are equal to the one before


def test_ramps_and_flat_columns_are_no_counters():
    assert looks_like_counter(np.arange(99.0)) is None
    assert looks_like_counter(np.full(10_000, 5.0)) is None
    assert looks_like_counter(np.r_[np.zeros(5000), np.ones(5000)]) is None  # something was switched on, and stays on
    assert looks_like_counter(np.full(1000, NAN)) is None
    assert looks_like_counter(floats()) is None
    falling = 10_000.0 - np.arange(1000)
    assert looks_like_counter(falling) is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("every", [1, 3, 6])
def test_a_house_is_no_counter_and_its_sum_is_one(seed, every):
    load = simulate(3024, seed=seed)["Appliances"].to_numpy(np.float64)[::every]
    assert looks_like_counter(load) is None
    assert looks_like_counter(np.cumsum(load)) is not None


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_the_part_of_a_house_is_no_counter_wherever_it_is_cut(start, length):
    load = simulate(3024)["Appliances"].to_numpy(np.float64)
    part = load[start % 2900 :][: length * 10]
    assume(len(part))
    assert looks_like_counter(part) is None


def test_clear_mornings_of_a_solar_roof_are_no_counter():
    minutes = np.arange(3 * 1440)
    roof = np.clip(np.sin((minutes % 1440 - 360) / 720 * np.pi), 0, None) * 50
    assert looks_like_counter(roof) is None
