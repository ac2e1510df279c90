"""The import of Keras without TensorFlow's greetings."""

from __future__ import annotations

import os
from pathlib import Path

STDERR = 2


def import_keras() -> None:
    """Import Keras and TensorFlow, whose C++ greets on standard error whatever `TF_CPP_MIN_LOG_LEVEL` says.

    Nor is TensorFlow to warn of retracing: many networks in one process are what some benchmarks are about.
    """
    kept = os.dup(STDERR)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)
    try:
        import keras  # noqa: F401
        import tensorflow as tf
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
    tf.get_logger().setLevel("ERROR")
