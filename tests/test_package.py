"""What is installed: one top-level name, whose face imports nothing before it is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import wattcast

ROOT = Path(__file__).parents[1]
FOLDERS = {"wattcast.flows": "flows", "wattcast.tasks": "tasks", "wattcast.model": "model"}


def run(program: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_folder_with_code_is_a_package_of_the_installation() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {"wattcast"}
    for name, folder in FOLDERS.items():
        for file in (ROOT / folder).rglob("__init__.py"):
            below = file.parent.relative_to(ROOT / folder).parts
            found |= {".".join((name, *below))} if below != ("wattcast",) else set()
    assert sorted(setup["packages"]) == sorted(found)
    assert setup["package-dir"] == {"wattcast": "flows/wattcast", **FOLDERS}


def test_an_installed_wheel_holds_all_files_below_one_name(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, as building leaves files behind
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, source / folder)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "./source",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"wattcast"}
    wanted = {
        f"wattcast/{file.relative_to(ROOT)}"
        for folder in FOLDERS.values()
        for kind in ("*.py", "*.toml", "*.html")
        for file in (ROOT / folder).rglob(kind)
        if file != ROOT / "flows/wattcast/__init__.py"
    }
    assert wanted | {"wattcast/__init__.py"} <= names


@pytest.mark.parametrize("name", ["flows", "tasks", "model"])
def test_no_bare_name_is_taken_from_others(name: str, tmp_path: Path) -> None:
    program = f"import importlib.util as util; print(util.find_spec({name!r}))"
    assert run(program, tmp_path) == "None"


def test_the_face_imports_nothing_before_it_is_asked(tmp_path: Path) -> None:
    program = "import sys, wattcast; print(sorted(name for name in sys.modules if name.startswith('wattcast')))"
    assert run(program, tmp_path) == "['wattcast']"


@pytest.mark.parametrize("name", wattcast.__all__)
def test_each_name_of_the_face_says_what_it_is(name: str) -> None:
    assert name in dir(wattcast)
    assert len(str(getattr(wattcast, name).__doc__).split()) >= 4


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'wattcast' has no attribute 'trian'"):
        getattr(wattcast, "trian")  # noqa: B009
