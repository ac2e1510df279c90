"""The columns of the UCI data set "Appliances energy prediction"."""

from __future__ import annotations

ENERGY_COLUMNS = ("Appliances", "lights")
UNITS = dict.fromkeys(ENERGY_COLUMNS, "Wh")
"""As its authors say, of 10 minutes; the simulated house is like it."""


FIRST, LAST, CADENCE_MINUTES = "2016-01-11 17:00", "2016-05-27 18:00", 10
"""Of the time stamps; the simulated house that stands in for it has the same ones."""

ROOM_COLUMNS = tuple(f"{quantity}{room}" for room in range(1, 10) for quantity in ("T", "RH_"))


WEATHER_COLUMNS = ("T_out", "Press_mm_hg", "RH_out", "Windspeed", "Visibility", "Tdewpoint")


NOISE_COLUMNS = ("rv1", "rv2")


UCI_COLUMNS = ENERGY_COLUMNS + ROOM_COLUMNS + WEATHER_COLUMNS + NOISE_COLUMNS
"""The 28 readings of the UCI data set in its order; its 29th column is the time stamp, `date`."""
