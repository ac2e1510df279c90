"""What is imported with a module: the linter sees who imports what is heavy, but not whether that happens at once."""

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, pkgutil, sys
for name in ("train", "retrain", "replay", "forecast", "watch", "backtest"):
    importlib.import_module(f"wattcast.flows.{name}")
print("optuna" in sys.modules)
import wattcast.flows, wattcast.model, wattcast.tasks
imported = []
for package in (wattcast.flows, wattcast.model, wattcast.tasks):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.startswith("wattcast.model.network."):
            importlib.import_module(module.name)
            imported.append(module.name)
print(len(imported), [name for name in ("tensorflow", "keras", "lightgbm") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """By a process of its own: whether all flows but the sweep import Optuna, and what all modules import."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-2:]


def test_only_a_sweep_imports_optuna(said: list[str]) -> None:
    assert said[0] == "False"


def test_no_module_outside_the_network_imports_what_is_heavy_before_it_is_needed(said: list[str]) -> None:
    count, found = said[1].split(" ", 1)
    assert int(count) > 50
    assert found == "[]"
