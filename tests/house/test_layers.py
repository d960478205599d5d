"""Which room may import which, and who may touch asyncio, SQLite, cryptography, msgpack, sockets, entropy and Textual.

import-linter holds the same rules in `pyproject.toml`; here they hold file by file, for a plain `pytest` too.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.house.sources import CHECKOUT, imported_modules, product_files, product_rooms, project_settings, syntax_tree

PURE_ROOMS = (
    "regionsim/names/",
    "regionsim/authorization/",
    "regionsim/accounts/",
    "regionsim/kms/",
    "regionsim/faults/",
)

SHELLS = tuple(f"regionsim/{room}/" for room in ("runtime", "store", "hsm", "network", "region", "endpoint"))

TABLE = {
    # what: (its modules, the files and folders that may import them)
    "asyncio": ({"asyncio", "uvloop"}, SHELLS),
    "SQLite": ({"sqlite3", "aiosqlite"}, ("regionsim/store/",)),
    "cryptography": (
        {"cryptography", "nacl", "Crypto", "Cryptodome", "pqcrypto", "gmalg", "OpenSSL"},
        ("regionsim/hsm/algorithms/",),
    ),
    "msgpack": ({"msgpack", "ormsgpack"}, ("regionsim/region/wire.py",)),
    "sockets": (
        {
            "socket",
            "ssl",
            "http",
            "socketserver",
            "urllib.request",
            "requests",
            "httpx",
            "aiohttp",
            "httptools",
            "urllib3",
        },
        (
            "regionsim/hsm/xks_client.py",
            "regionsim/network/socket_link.py",
            "regionsim/endpoint/",
            "tui/attach.py",
            "tui/web.py",
        ),
    ),
    "entropy": ({"random", "secrets"}, ("regionsim/runtime/",)),
    "Textual": ({"textual", "rich"}, ("tui/",)),
    "botocore": ({"botocore"}, ()),
}

IMPURE = {
    "asyncio", "concurrent", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random",
    "secrets", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading",
    "time",
}  # fmt: skip
"""Modules of the standard library that bring a clock, entropy, threads or I/O into a room that decides."""


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def trespasses(path: Path, tree: ast.Module) -> list[str]:
    """What the file imports against the table, and against purity if its room is pure."""
    place = path.as_posix()
    found = []
    for line, module in imported_modules(tree):
        for what, (modules, allowed) in TABLE.items():
            if is_within(module, modules) and not place.startswith(allowed):
                found.append(f"{place}:{line} imports {module}: {what} only in {', '.join(allowed) or 'tests'}")
        if place.startswith(PURE_ROOMS) and not is_pure_import(module):
            found.append(f"{place}:{line} imports {module}: this room is pure")
    return found


def is_pure_import(module: str) -> bool:
    top = module.partition(".")[0]
    if top == "regionsim":
        return not is_within(module, {"regionsim.runtime"})
    return top in sys.stdlib_module_names and top not in IMPURE


@pytest.mark.parametrize("room", product_rooms())
def test_a_file_touches_only_what_its_room_may(room):
    assert [found for path in product_rooms()[room] for found in trespasses(path, syntax_tree(path))] == []


@pytest.mark.parametrize(
    ("place", "source", "what"),
    [
        ("regionsim/kms/plan.py", "import asyncio", "asyncio"),
        ("regionsim/kms/plan.py", "from time import time", "pure"),
        ("regionsim/kms/plan.py", "import yaml", "pure"),
        ("regionsim/names/ids.py", "def f():\n    from regionsim import runtime", "pure"),
        ("regionsim/region/region.py", "import msgpack", "msgpack"),
        ("regionsim/region/region.py", "from cryptography.hazmat import primitives", "cryptography"),
        ("regionsim/hsm/hsm.py", "import cryptography", "cryptography"),
        ("regionsim/client.py", "import sqlite3", "SQLite"),
        ("regionsim/snapshot.py", "import textual.app", "Textual"),
        ("regionsim/hsm/hsm.py", "from http import client", "sockets"),
        ("tui/bridge.py", "import random", "entropy"),
    ],
)
def test_the_scan_finds_a_trespass(place, source, what):
    assert any(what in finding for finding in trespasses(Path(place), ast.parse(source)))


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("regionsim/region/wire.py", "import msgpack"),
        ("regionsim/store/connection.py", "import asyncio, sqlite3, aiosqlite"),
        ("regionsim/kms/plan.py", "from regionsim.names import ids"),
        ("regionsim/kms/plan.py", "from urllib.parse import quote"),
        ("tui/app.py", "from textual.app import App"),
    ],
)
def test_the_scan_lets_the_others_be(place, source):
    assert trespasses(Path(place), ast.parse(source)) == []


# --- the layers ---


def layers() -> list[list[str]]:
    """From the top, as import-linter's contract has them; siblings together."""
    contracts = {contract["id"]: contract for contract in project_settings()["tool"]["importlinter"]["contracts"]}
    return [re.findall(r"[\w.]+", line) for line in contracts["layers"]["layers"]]


RANK = {room: rank for rank, siblings in enumerate(layers()) for room in siblings}


def room_of(module: str) -> str | None:
    """The layer that a module of the product belongs to; None for the public face and for what is not ours."""
    parts = module.split(".")
    name = parts[0] if parts[0] == "tui" else ".".join(parts[:2])
    return name if name in RANK else None


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("folder", product_rooms())
def test_imports_point_down(folder):
    for path in product_rooms()[folder]:
        check_imports(path)


def check_imports(path: Path) -> None:
    room = room_of(module_of(path))
    if room is None:
        assert path == Path("regionsim/__init__.py"), f"{path} is in no layer: name its room in pyproject.toml"
        return
    for line, module in imported_modules(syntax_tree(path)):
        imported = room_of(module)
        assert imported in (None, room) or RANK[imported] > RANK[room], f"{path}:{line} imports {module} upwards"


def test_every_room_has_its_layer():
    folders = [folder for folder in (CHECKOUT / "regionsim").iterdir() if (folder / "__init__.py").exists()]
    assert {f"regionsim.{folder.name}" for folder in folders} <= RANK.keys()


def test_the_pure_rooms_are_the_ones_that_import_linter_holds_pure():
    contracts = {contract["id"]: contract for contract in project_settings()["tool"]["importlinter"]["contracts"]}
    rooms = {f"{module.replace('.', '/')}/" for module in contracts["pure"]["source_modules"]}
    assert rooms == set(PURE_ROOMS)


def test_no_import_is_relative():
    relative = [
        f"{path}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
