"""Bodies of AWS JSON 1.1: whatever the standard library reads as JSON is read as that, and all else is refused alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.endpoint.aws_json import _parsed
from regionsim.kms.errors import SerializationException

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
SPACES = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


@given(
    VALUES,
    SPACES,
    SPACES,
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-16"]),
)
def test_what_is_json_is_read(value, before, after, is_spaced, encoding):
    text = before + json.dumps(value, ensure_ascii=False, indent=1 if is_spaced else None) + after
    body = text.encode(encoding, "surrogatepass")
    try:
        expected = json.loads(body.decode(json.detect_encoding(body)))
    except ValueError:
        with pytest.raises(SerializationException):
            _parsed(body)
    else:
        assert _parsed(body) == expected


@given(st.binary(max_size=40) | st.text('{}[]":, 0123e-.\\untrfalsyINA\0\n', max_size=24).map(str.encode))
def test_whatever_comes_is_read_as_the_standard_library_reads_it_or_refused(body):
    def refuse(name):
        raise ValueError(name)

    if not body:
        return
    try:
        expected = json.loads(body.decode(json.detect_encoding(body)), parse_constant=refuse)
    except ValueError:
        with pytest.raises(SerializationException):
            _parsed(body)
    else:
        assert _parsed(body) == expected


@pytest.mark.parametrize(
    "body",
    [b"{", b"{}x", b"{} {}", b'{"a":1}}', b'{"a":NaN}', b'{"a":1,}', b'{"a"', b"{\0\0\0", b'{"a":' + b"[" * 200_000, b'{"a":"\xff"}'],
)  # fmt: skip
def test_what_is_no_json_is_refused(body):
    with pytest.raises(SerializationException):
        _parsed(body)
