"""The choices that one has in how a sweep searches: what its help shows before anything of it is imported."""

from typing import Literal

Pruner = Literal["median", "hyperband", "none"]
Runner = Literal["threads", "dask"]
JOURNAL = "optuna.journal"
"""Where studies are kept unless another storage is named."""
