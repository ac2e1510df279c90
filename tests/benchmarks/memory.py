"""What a process holds in memory, in MB (10^6 bytes)."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux


def resident_mb() -> float:
    """What this process holds now."""
    gc.collect()
    resident: int = psutil.Process().memory_info().rss
    return resident / 1e6


@dataclass(frozen=True)
class Mark:
    """A moment from which on the peak is watched."""

    resident_mb: float

    @classmethod
    def now(cls) -> Mark:
        """Forget earlier peaks, where the system can, and start to watch."""
        resident = resident_mb()
        with suppress(OSError):
            CLEAR.write_text("5", encoding="ascii")
        return cls(resident)

    @property
    def added_mb(self) -> float:
        """The peak since then, above what was held then."""
        return _peak_mb() - self.resident_mb


def _peak_mb() -> float:
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on a Mac
    # not ru_maxrss: on Linux a child starts with its parent's
    peak = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e6
