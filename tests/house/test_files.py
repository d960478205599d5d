"""What no file of the project may hold: paths of one machine, keys, and leftovers of a merge."""

from __future__ import annotations

import re

import pytest

from tests.house.sources import CHECKOUT, all_files, text_folders

# Put together from parts, so that this file does not hold them itself.
MACHINE_PATHS = re.compile(
    "|".join(f"/{name}/" for name in ("work", "root", "home/[a-z]+", "Users/[a-z]+", "tmp/venv"))
)
PRIVATE_KEYS = re.compile("-----BEGIN ([A-Z]+ )?" + "PRIVATE KEY-----")
MERGE_MARKS = re.compile(r"^(<{7} |>{7} )", re.MULTILINE)


@pytest.mark.parametrize("folder", text_folders())
def test_a_file_holds_nothing_of_one_machine(folder):
    for path in text_folders()[folder]:
        text = (CHECKOUT / path).read_text(encoding="utf-8")
        for unwanted in (MACHINE_PATHS, PRIVATE_KEYS, MERGE_MARKS):
            found = unwanted.search(text)
            line = text.count("\n", 0, found.start()) + 1 if found else 0
            assert found is None, f"{path}:{line} holds {found.group()!r}"


def test_the_top_level_is_what_the_house_says():
    assert {path.parts[0] for path in all_files()} - {".gitignore", ".gitattributes", ".ci", ".github"} <= {
        "pyproject.toml", "README.md", "LICENSE", "regionsim", "tui", "tests", "scenarios",
    }  # fmt: skip
