"""A blob can be read in one way only: what parses is exactly what was built."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regionsim.kms.ciphertext import CLEAR_BYTES, MalformedBlob, build, form, parse
from regionsim.kms.hsm_jobs import BlobKind
from regionsim.names.ids import new_key_id

_SIZES = st.one_of(st.integers(28, 300), st.integers(28, 6000), st.sampled_from([65_535, 65_536, 65_600]))


@st.composite
def blobs(draw: st.DrawFn) -> bytes:
    key_id = new_key_id(draw(st.binary(min_size=16, max_size=16)), multi_region=draw(st.booleans()))
    material_id = draw(st.binary(min_size=32, max_size=32)).hex()
    nonce = draw(st.binary(min_size=16, max_size=16))
    iv = draw(st.binary(min_size=12, max_size=12))
    sealed = draw(st.binary(min_size=28, max_size=40)).ljust(draw(_SIZES), b"\x77")
    return build(form(draw(st.sampled_from(BlobKind)), key_id, material_id).fixed + nonce, iv, sealed)


@given(blobs())
def test_parsing_and_building_are_inverse(blob: bytes) -> None:
    header = parse(blob)
    assert header.clear == blob[:CLEAR_BYTES]
    assert build(header.clear, header.iv, header.sealed) == blob


@given(blobs(), st.data())
def test_a_changed_byte_is_seen_or_refused(blob: bytes, data: st.DataObject) -> None:
    # Most often where the structure is, which ends about byte 160.
    position = data.draw(st.one_of(st.integers(0, min(170, len(blob) - 1)), st.integers(0, len(blob) - 1)))
    flipped = data.draw(st.integers(1, 255))
    altered = blob[:position] + bytes([blob[position] ^ flipped]) + blob[position + 1 :]
    try:
        header = parse(altered)
    except MalformedBlob:
        return
    assert header != parse(blob)
    assert build(header.clear, header.iv, header.sealed) == altered


@given(blobs(), st.data())
def test_every_truncation_is_refused(blob: bytes, data: st.DataObject) -> None:
    with pytest.raises(MalformedBlob):
        parse(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(blobs(), st.binary(min_size=1, max_size=300))
def test_nothing_may_follow_a_blob(blob: bytes, tail: bytes) -> None:
    with pytest.raises(MalformedBlob):
        parse(blob + tail)


@given(st.binary(max_size=300))
@example(b"\x01\x02\x02\x00\x78")
def test_parse_raises_nothing_but_malformed_blob(content: bytes) -> None:
    try:
        header = parse(content)
    except MalformedBlob:
        return
    assert build(header.clear, header.iv, header.sealed) == content


def test_every_length_has_at_most_one_layout() -> None:
    clear = form(BlobKind.PLAINTEXT, "mrk-" + "00" * 16, "00" * 32).fixed + bytes(16)
    lengths = [len(build(clear, bytes(12), bytes(sealed_bytes))) for sealed_bytes in range(28, 1200)]
    assert lengths == sorted(set(lengths))
