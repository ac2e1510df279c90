"""How much memory there is: a file that unfolds to more must be refused, for a process that is killed says nothing."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SHARE = 8  # of the memory: a table is held several times over on its way, beside the libraries
MOST_MIB = 1024


def usual_most_mib() -> int:
    """MiB that a file may unfold to unless another limit is given: 1024, or an eighth of the memory if that is less."""
    return max(1, min(MOST_MIB, memory_bytes() // _SHARE // 2**20))


def memory_bytes() -> int:
    """The memory that this process may have: of the machine, of its container, or by its own limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        with suppress(OSError, ValueError):  # "max", or another kind of system
            found.append(int(Path(path).read_text(encoding="ascii")))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(*found, *([soft] if soft != resource.RLIM_INFINITY else []), 2**63)
