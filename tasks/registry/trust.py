"""Which versions are loaded. Loading one runs its code: so it is one that a retraining has registered, as it was then.

A retraining writes the digest of a version's files into a tag of it. That holds against accidents: a version that
somebody else's program or a person has registered has none, and files that were changed since have another one. It is
no defence against whoever may write to the store, as they can write the tag, too.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from wattcast.model.errors import InputError

DIGEST = "digest"
"""The tag of a version with the digest of its files."""
_OF_THE_DOWNLOAD = "registered_model_meta"  # the file that MLflow adds to what it gives


class UntrustedError(InputError):
    """A version whose code would run is none that a retraining has registered."""


def clear_compiled(folder: Path) -> None:
    """Remove the compiled code that Python has put beside a model's own where it was loaded in place."""
    for compiled in [*folder.rglob("__pycache__")]:
        shutil.rmtree(compiled)


def digest(folder: Path) -> str:
    """Of the names and the contents of all files of a model."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _OF_THE_DOWNLOAD):
        with file.open("rb") as content:
            own = hashlib.file_digest(content, "sha256").hexdigest()
        whole.update(f"{own} {file.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def require_ours(name: str, tags: Mapping[str, str], folder: Path) -> None:
    """The version `name` with these tags and files was registered by a retraining.

    Raises:
        UntrustedError: it was not, or its files have changed since.
    """
    if DIGEST not in tags:
        why = "was registered by no retraining of wattcast"
    elif tags[DIGEST] != digest(folder):
        why = "has other files than the retraining that registered it has logged"
    else:
        return
    raise UntrustedError(
        f"{name} {why}, and loading it would run its code: choose another one, see `wattcast models`, or add --trust "
        "if you trust whoever made it"
    )
