"""What a Python program may give wrong is one clear mistake, told before anything begins."""

import pytest

import regionsim
from regionsim.names.mistakes import ConfigError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"accounts": {"a": 1}}, "accounts is the path of a file, not dict: {'a': 1}"),
        ({"port": "x"}, "a port is a whole number from 0 to 65535, not str: 'x'"),
        ({"port": True}, "a port is a whole number from 0 to 65535, not bool: True"),
        ({"port": -1}, "a port is a whole number from 0 to 65535, not -1"),
        ({"data": 3}, "data is the path of a folder, not int: 3"),
        ({"scenario": [1]}, "scenario is the path of a file, not list: [1]"),
    ],
)
def test_what_serve_cannot_take(given, told):
    with pytest.raises(ConfigError) as caught:
        regionsim.serve(**given)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seed": "x"}, "a seed is a whole number from 0 to 9223372036854775807, not str: 'x'"),
        ({"seed": True}, "a seed is a whole number from 0 to 9223372036854775807, not bool: True"),
        ({"seed": -1}, "a seed is a whole number from 0 to 9223372036854775807, not -1"),
        ({"rate": "x"}, "a rate is more than 0 virtual seconds per second, not str: 'x'"),
        ({"rate": 0}, "a rate is more than 0 virtual seconds per second, not 0"),
    ],
)
def test_what_run_cannot_take(given, told):
    with pytest.raises(ConfigError) as caught:
        regionsim.run("quickstart", **given)
    assert str(caught.value) == told
