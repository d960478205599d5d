"""The shipped scenarios, and what a person may mean by the name of a scenario.

An installed regionsim has them in its own folder `library`; a checkout has them in the top-level folder `scenarios`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.scenario.errors import ScenarioError, quoted
from regionsim.scenario.nodes import MappingNode, ScalarNode
from regionsim.scenario.parse import parse
from regionsim.scenario.source import read_source

_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A shipped scenario: the name to run it by, where it is, and its title."""

    name: str
    path: Path
    title: str


def library_folder() -> Path:
    """The folder that holds the shipped scenarios."""
    installed = _PACKAGE / "library"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


def is_installed(path: Path) -> bool:
    """True for a file that belongs to an installed regionsim, which is not for editing."""
    return path.resolve().is_relative_to(_PACKAGE / "library")


def shipped_paths() -> Mapping[str, Path]:
    """Name -> path of every shipped scenario, by name."""
    return MappingProxyType({path.stem: path for path in sorted(library_folder().glob("*.yaml"))})


def shipped() -> tuple[Shipped, ...]:
    """Every shipped scenario, by name."""
    return tuple(Shipped(name=name, path=path, title=_title(path)) for name, path in shipped_paths().items())


def find_scenario(word: str) -> Path:
    """The file that a person means: a path, or the name of a shipped scenario.

    A file that exists wins over a shipped name. A path inside the current folder is given relative to it.
    Errors: ScenarioError when there is neither, with the nearest shipped name.
    """
    looks_like_path = os.sep in word or word.endswith(_SUFFIXES)
    if looks_like_path or os.path.isfile(word):
        return Path(word)
    known = shipped_paths()
    if word in known:
        return _short(known[word])
    raise ScenarioError(word, 1, 1, f"no file and no shipped scenario {quoted(word)}", advice(word, known))


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _title(path: Path) -> str:
    root = parse(read_source(path, str(path)), str(path))
    name = root.get("name") if isinstance(root, MappingNode) else None
    return " ".join(name.text.split()) if isinstance(name, ScalarNode) else path.stem
