"""Who runs which code."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)


def code_tags() -> dict[str, str]:
    """Who runs which code, in MLflow's own tags and as `git.commit`."""
    commit = _git_commit()
    return {
        "git.commit": commit,
        MLFLOW_GIT_COMMIT: commit,
        MLFLOW_USER: user(),
        MLFLOW_SOURCE_NAME: "wattcast",
        MLFLOW_SOURCE_TYPE: "PROJECT",
    }


def user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a user without a name
        return "unknown"


def _git_commit() -> str:
    """The commit of this code, `-dirty` behind it where files differ from it; `unknown` outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
