"""Lets the tests of this folder import their helpers, `seed_reference` and `tiny`, under pytest's importlib mode."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")
