"""What the machine can do at most: large float32 matrix products on all cores."""

from __future__ import annotations

from time import perf_counter

import numpy as np

SIDE = 2048  # of the square matrices
REPEATS = 4


def matrix_product_flops() -> float:
    """Floating-point operations a second, the best of a few products."""
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), np.float32)
    out = np.empty_like(a)
    return 2 * SIDE**3 / min(_seconds(a, b, out) for _ in range(REPEATS))


def _seconds(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> float:
    began = perf_counter()
    np.matmul(a, b, out=out)
    return perf_counter() - began
