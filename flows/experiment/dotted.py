"""Options by dotted names, as `model.layers.0.units`, in nested tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from wattcast.model.cells import shown
from wattcast.model.errors import InputError

SEPARATOR = "."
_A_NAME = re.compile(r"[A-Za-z_]\w*(\.(0|[1-9]\d*|[A-Za-z_]\w*))*", re.ASCII)
_LONGEST = 10_000


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` in place of what it held, table by table; lists are replaced whole."""
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def set_option(nested: Any, setting: str) -> Any:
    """`nested` with one `name=value` applied; the value is read as TOML, or as text where it is none."""
    name, equals, text = setting.partition("=")
    if not equals or not name.strip():
        raise InputError(f"a setting must be name=value, such as fit.seed=1, received {shown(setting)}")
    if not _A_NAME.fullmatch(name.strip()):
        raise InputError(
            f"a name must be words and places in lists with dots between them, such as model.layers.0.units, received "
            f"{shown(name)}"
        )
    if len(text.splitlines()) > 1 or len(text) > _LONGEST:
        raise InputError(f"a setting must be one line of at most {_LONGEST:,} characters, received {shown(setting)}")
    if name.strip() == "preset":
        raise InputError(f"a preset is what settings change: choose it with --preset {shown(text.strip())[1:-1]}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except RecursionError:
        raise InputError(f"a value must not be brackets in brackets without end, received {shown(setting)}") from None
    except ValueError:  # no TOML, or a number of thousands of digits
        value = text.strip()
    return replaced(nested, name.strip().split(SEPARATOR), value)


def replaced(node: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(node, list):
        if key not in map(str, range(len(node))):
            raise InputError(f"{shown(key)} is no place in a list of {len(node)}: count from 0 to {len(node) - 1}")
        return [replaced(item, rest, value) if place == int(key) else item for place, item in enumerate(node)]
    table = node if isinstance(node, dict) else {}
    return {**table, key: replaced(table.get(key), rest, value)}


def flatten(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from flatten(value, f"{name}{SEPARATOR}{key}" if name else key)
    elif isinstance(node, list) and node and isinstance(node[0], Mapping):
        yield from flatten(dict(enumerate(node)), name)
    else:
        yield name, node
