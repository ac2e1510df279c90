"""Which code computes the recurrence: ours for a CPU, or stock Keras, which a GPU serves with cuDNN."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
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
    """Tried once a process; warns where it fails.

    From then on TensorFlow computes an operation on one thread, unless it has computed something before: products of
    this size are done before a second one has been woken. Whoever has cores to spare calls programs side by side.
    """
    import tensorflow as tf

    with suppress(RuntimeError):  # it has begun, with as many threads as somebody else has chosen
        tf.config.threading.set_intra_op_parallelism_threads(1)
    try:
        tf.function(tf.identity, jit_compile=True)(tf.zeros(1))
    except tf.errors.OpError as error:
        log.warning("XLA cannot compile here (%s): stock Keras layers train instead, several times slower", error)
        return False
    return True
