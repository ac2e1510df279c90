"""Compiled functions that threads share: made once, traced once, compiled once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

P = ParamSpec("P")
R = TypeVar("R")
_COMPILING = Lock()  # Keras keeps global state while it is traced
_SIZES = 8


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


def compiled_once(function: Callable[..., Any], *, jit_compile: bool, sizes: int = _SIZES) -> Callable[..., Any]:
    """`function`, so that threads may call it side by side: one traces and compiles it while the others wait.

    Each combination of its arguments' sizes has a program of its own; the `sizes` that were asked for last are kept.
    """
    programs: OrderedDict[Any, Any] = OrderedDict()
    using = Lock()

    def find(asked: Any) -> Any:
        with using:
            if asked in programs:
                programs.move_to_end(asked)
            return programs.get(asked)

    def keep(asked: Any, program: Any) -> None:
        with using:
            programs[asked] = program
            if len(programs) > sizes:
                programs.popitem(last=False)

    def call(*arguments: Any) -> Any:
        asked = tuple((tuple(array.shape), tf.as_dtype(array.dtype)) for array in tf.nest.flatten(arguments))
        program = find(asked)  # three times quicker than to have TensorFlow look for it
        if program is None:
            with _COMPILING:
                program = find(asked)
                if program is None:
                    fresh = tf.function(function, jit_compile=jit_compile, autograph=False)  # one would keep all sizes
                    program = fresh.get_concrete_function(*arguments)
                    result = program(*arguments)  # this compiles
                    keep(asked, program)
                    return result
        return program(*arguments)

    return call
