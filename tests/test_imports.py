"""What is imported with a module: the linter sees who imports what is heavy, but not whether that happens at once."""

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, sys
import wattcast.flows, wattcast.model, wattcast.tasks
imported = []
for package in (wattcast.flows, wattcast.model, wattcast.tasks):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.startswith("wattcast.model.network."):
            importlib.import_module(module.name)
            imported.append(module.name)
print(len(imported), [name for name in ("tensorflow", "keras", "lightgbm") if name in sys.modules])
"""


def test_no_module_outside_the_network_imports_what_is_heavy_before_it_is_needed():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    count, found = done.stdout.splitlines()[-1].split(" ", 1)
    assert int(count) > 50
    assert found == "[]"
