"""Files that cannot be scenarios are refused before they are parsed."""

from __future__ import annotations

import pytest

from regionsim.scenario.errors import ScenarioError, quoted
from regionsim.scenario.source import MAXIMUM_BYTES, read_source


def refused(path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_source(path, "f.yaml")
    return str(caught.value)


def test_a_file_is_read_without_its_byte_order_mark(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes("\ufeffname: é\r\n".encode())
    assert read_source(path, "f.yaml") == "name: é\r\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "f.yaml:1:1: the file is empty; "),
        (b" \n\n", "f.yaml:1:1: the file is empty; "),
        (b"a: 1\nb: \x00\n", "f.yaml:2:4: the file is not text: it holds the character U+0000"),
        (b"a: 1\nb: caf\xe9\n", "f.yaml:2:7: the file is not UTF-8 text: byte 0xE9"),
        ("é: \xe9".encode() + b"\xff", "f.yaml:1:5: the file is not UTF-8 text: byte 0xFF"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1: the file is not UTF-8 text: byte 0xFF"),
        (bytes(range(256)), "f.yaml:"),
        (b"a: \x1b[31m\n", "f.yaml:1:4: the file is not text: it holds the character U+001B"),
    ],
)
def test_what_is_not_text_is_refused_at_its_place(tmp_path, content, told):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    assert refused(path).startswith(told)


def test_a_large_file_is_refused_by_its_size(tmp_path):
    path = tmp_path / "f.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert refused(path).startswith("f.yaml:1:1: the file is larger than 5 MB")
    path.write_bytes(b"a: 1\n" + b"#" * (MAXIMUM_BYTES - 5))
    assert read_source(path, "f.yaml").startswith("a: 1")


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    assert refused(tmp_path / "none.yaml") == "f.yaml:1:1: there is no such file"
    assert refused(tmp_path) == "f.yaml:1:1: this is a folder; name a file in it"
    assert refused(tmp_path / "nul\0.yaml").startswith("f.yaml:1:1: the file cannot be read")
    assert refused(tmp_path / ("x" * 5000)).startswith("f.yaml:1:1: the file cannot be read")


def test_quoted_text_is_one_short_line_without_control_characters():
    assert quoted("a\x1b[2Jb\n") == "'a\\x1b[2Jb\\n'"
    assert quoted("x" * 500) == "'" + "x" * 60 + "...'"
