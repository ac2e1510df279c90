"""What a help says of experiments, before one is read: that takes longer than all else that a help does."""

from pathlib import Path

PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "recommended"
SOURCES = "auto (the UCI data, simulated when it cannot be reached), uci, simulated, or the path of a file"
"""Where an experiment's readings may come from."""


def preset_names() -> list[str]:
    """The presets that come with wattcast."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))
