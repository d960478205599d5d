"""The checkout as the house tests see it: its files, its modules, their imports, functions and names."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PRODUCT = ("regionsim", "tui")
NO_TEXT = frozenset({".png", ".svg", ".db", ".ico", ".gz"})


@cache
def product_files() -> tuple[Path, ...]:
    """The Python files of the product, relative to the checkout."""
    return tuple(sorted(path.relative_to(CHECKOUT) for room in PRODUCT for path in (CHECKOUT / room).rglob("*.py")))


@cache
def product_rooms() -> dict[str, tuple[Path, ...]]:
    """Folder -> its Python files. A rule is tested once for each folder: once for each file is thousands of tests."""
    return _by_folder(product_files())


def _by_folder(files: tuple[Path, ...]) -> dict[str, tuple[Path, ...]]:
    folders: dict[str, list[Path]] = {}
    for path in files:
        folders.setdefault(path.parent.as_posix(), []).append(path)
    return {folder: tuple(held) for folder, held in folders.items()}


@cache
def all_files() -> tuple[Path, ...]:
    """The files that belong to the project: what git knows or would take in; without git, what it would not ignore."""
    if (CHECKOUT / ".git").exists() and shutil.which("git"):
        git = [
            "git",
            "-c",
            f"safe.directory={CHECKOUT}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]
        listed = subprocess.run(git, cwd=CHECKOUT, check=True, capture_output=True, encoding="utf-8").stdout
        return tuple(sorted(Path(name) for name in listed.split("\0") if (CHECKOUT / name).is_file()))
    ignored = [line.rstrip("/") for line in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split()]
    found = []
    for folder, below, names in os.walk(CHECKOUT):
        below[:] = [name for name in below if not any(fnmatch(name, pattern) for pattern in ignored)]
        kept = [name for name in names if not any(fnmatch(name, pattern) for pattern in ignored)]
        found += [(Path(folder) / name).relative_to(CHECKOUT) for name in kept]
    return tuple(sorted(found))


@cache
def text_folders() -> dict[str, tuple[Path, ...]]:
    """Folder -> the project's files in it that are text."""
    return _by_folder(tuple(path for path in all_files() if path.suffix not in NO_TEXT))


@cache
def syntax_tree(path: Path) -> ast.Module:
    """A product file, parsed."""
    return ast.parse((CHECKOUT / path).read_text(encoding="utf-8"), str(path))


def imported_modules(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every module that a file imports anywhere in it, with its line. `from a import b` counts as `a` and as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Every function, method and class of a file, however deep."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


@cache
def project_settings() -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
