"""Libraries that a command imports when it first uses them: they take longer than all that a help or an error needs.

Configurations and the steps that they belong to stand in the same modules, so that reading an experiment imports NumPy,
pandas and pyarrow, whose functions it never calls. This module, imported first, puts a stand-in for each of them where
`import` looks; what a module has got by `import pandas as pd` then imports pandas once something is asked of it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import Any

_NAMES = ("numpy", "numpy.typing", "pandas", "pyarrow", "pyarrow.compute", "pyarrow.csv")
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_lock = RLock()


class _Late(ModuleType):
    """Stands in for the library of its name."""

    def __getattr__(self, name: str) -> Any:
        load()
        value = getattr(sys.modules[self.__name__], name)
        setattr(self, name, value)
        return value


def load() -> None:
    """Import all of them, now: what starts threads does so first, for imports of several would wait for each other."""
    with _lock:
        late = [name for name in _NAMES if isinstance(sys.modules.get(name), _Late)]
        for name in late:
            del sys.modules[name]
        for name in late:
            import_module(name)
        if late and os.environ.get(_PLUGINS) == "__all__":
            del os.environ[_PLUGINS]


def _stand_in() -> None:
    if any(name in sys.modules for name in _NAMES):
        return
    if _PLUGINS not in os.environ:  # pydantic would look for some in all packages, before its first configuration
        os.environ[_PLUGINS] = "__all__"
    for name in _NAMES:
        package, _, inner = name.rpartition(".")
        sys.modules[name] = module = _Late(name)
        module.__path__ = []
        if package:
            setattr(sys.modules[package], inner, module)


_stand_in()
