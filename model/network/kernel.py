"""Which code computes the recurrence: ours for a CPU, or stock Keras, which a GPU serves with cuDNN."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import Literal

log = logging.getLogger(__name__)

Kernel = Literal["keras", "fast"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Those that this process may use."""


def choose_kernel(asked: Literal["auto", "keras", "fast"]) -> Kernel:
    """`auto` is `fast` unless a GPU is visible; where XLA cannot compile, it is `keras` whatever is asked."""
    import tensorflow as tf

    if asked == "keras" or (asked == "auto" and tf.config.list_physical_devices("GPU")):
        return "keras"
    return "fast" if _xla_compiles() else "keras"


@lru_cache(maxsize=1)
def _xla_compiles() -> bool:
    """Tried once a process; warns where it fails."""
    import tensorflow as tf

    try:
        tf.function(tf.identity, jit_compile=True)(tf.zeros(1))
    except tf.errors.OpError as error:
        log.warning("XLA cannot compile here (%s): stock Keras layers train instead, several times slower", error)
        return False
    return True
