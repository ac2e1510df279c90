"""Compiled functions that threads share: made once, traced once, compiled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

P = ParamSpec("P")
R = TypeVar("R")
_COMPILING = Lock()  # Keras keeps global state while it is traced


def kept(programs: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`lru_cache` for what compiles: threads that ask for the same at once get the same."""

    def decorate(make: Callable[P, R]) -> Callable[P, R]:
        made = lru_cache(maxsize=programs)(make)

        @wraps(make)
        def get(*arguments: P.args, **options: P.kwargs) -> R:
            with _COMPILING:
                return made(*arguments, **options)  # type: ignore[arg-type]  # what is hashable is the maker's to say

        return get

    return decorate


def compiled_once(function: Any) -> Callable[..., Any]:
    """`function`, so that threads may call it side by side: one traces and compiles it while the others wait."""
    compiled: dict[Any, Any] = {}

    def call(*arguments: Any) -> Any:
        sizes = tuple((tuple(array.shape), tf.as_dtype(array.dtype)) for array in tf.nest.flatten(arguments))
        if sizes not in compiled:
            with _COMPILING:
                if sizes not in compiled:
                    traced = function.get_concrete_function(*arguments)
                    result = traced(*arguments)  # this compiles
                    compiled[sizes] = traced
                    return result
        return compiled[sizes](*arguments)  # three times quicker than to have TensorFlow look for it

    return call
