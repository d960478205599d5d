"""The shipped scenarios, by name or by path."""

from __future__ import annotations

import os

import pytest

from regionsim.scenario import library
from regionsim.scenario.errors import ScenarioError


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package folder with two scenarios in its own library."""
    folder = tmp_path / "regionsim" / "library"
    folder.mkdir(parents=True)
    (folder / "b.yaml").write_text("name: The   second\n", encoding="utf-8")
    (folder / "a.yaml").write_text("about: no name\n", encoding="utf-8")
    (folder / "a.transcript").write_text("", encoding="utf-8")
    monkeypatch.setattr(library, "_PACKAGE", tmp_path / "regionsim")
    return folder


def test_a_checkout_uses_its_top_level_folder():
    assert library.library_folder().name == "scenarios"
    assert {"quickstart", "primary-outage"} <= set(library.shipped_paths())


def test_an_installed_package_uses_its_own_library(installed):
    assert library.library_folder() == installed
    assert [(scenario.name, scenario.title) for scenario in library.shipped()] == [("a", "a"), ("b", "The second")]


def test_a_name_is_found_and_a_path_is_taken(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert library.find_scenario("b").read_text(encoding="utf-8").startswith("name")
    assert str(library.find_scenario("b")) == os.path.join("regionsim", "library", "b.yaml")
    assert str(library.find_scenario("x/y.yaml")) == os.path.join("x", "y.yaml")
    assert str(library.find_scenario("absent.yaml")) == "absent.yaml"


def test_a_file_wins_over_a_shipped_name(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").write_text("", encoding="utf-8")
    assert str(library.find_scenario("b")) == "b"


def test_outside_the_current_folder_the_whole_path_is_given(installed, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert library.find_scenario("b") == installed / "b.yaml"


def test_the_nearest_name_is_offered(installed):
    with pytest.raises(ScenarioError, match=r"quikstart:1:1: no file and no shipped scenario 'quikstart'; valid: a, b"):
        library.find_scenario("quikstart")
