"""The ciphertext blob's layout against what is observed of AWS's, byte by byte."""

import base64

import pytest

from regionsim.kms.ciphertext import CLEAR_BYTES, Header, MalformedBlob, build, form, material_prefix, parse
from regionsim.kms.hsm_jobs import BlobKind
from regionsim.names.ids import key_id_bytes

KEY_ID = "1234abcd-12ab-44cd-a6ef-1234567890ab"
MATERIAL_ID = "0f" * 16 + "e1" * 16
NONCE = bytes(range(16))
IV = bytes(range(100, 112))


def blob_of(plaintext_bytes: int, kind: BlobKind = BlobKind.PLAINTEXT) -> bytes:
    sealed = b"\xaa" * (plaintext_bytes + 27)
    return build(form(kind, KEY_ID, MATERIAL_ID).fixed + NONCE, IV, sealed)


@pytest.mark.parametrize(("kind", "start"), [(BlobKind.PLAINTEXT, b"AQICAH"), (BlobKind.DATA_KEY, b"AQIDAH")])
def test_base64_begins_as_aws_s_does(kind: BlobKind, start: bytes) -> None:
    assert base64.b64encode(blob_of(32, kind)).startswith(start)


def test_every_byte_of_a_wrapped_data_key_is_where_it_is_observed() -> None:
    blob = blob_of(32, BlobKind.DATA_KEY)
    assert len(blob) == 184
    assert blob[:5].hex() == "0102030078"
    assert blob[5:37] == key_id_bytes(KEY_ID) + bytes.fromhex("0f" * 16)
    assert blob[37] == 1
    assert blob[38:54] == NONCE
    assert blob[54:58] == (126).to_bytes(4)
    der = (
        "307c 06092a864886f70d010706 a06f 306d 020100 3068 06092a864886f70d010701"
        "301e 060960864801650304012e 3011 040c" + IV.hex() + "020110 803b" + "aa" * 59
    )
    assert blob[58:] == bytes.fromhex(der)


@pytest.mark.parametrize("plaintext_bytes", [1, 16, 32, 35])
def test_small_plaintexts_cost_152_bytes(plaintext_bytes: int) -> None:
    assert len(blob_of(plaintext_bytes)) == 152 + plaintext_bytes


@pytest.mark.parametrize("plaintext_bytes", [36, 52, 64, 84, 100, 101, 180, 229, 4096, 40_000, 70_000])
def test_the_der_part_is_read_by_a_plain_der_reader(plaintext_bytes: int) -> None:
    blob = blob_of(plaintext_bytes)
    (encrypted_data,) = der_values(blob[58:])
    content_type, wrapper = der_values(encrypted_data)
    (inner,) = der_values(wrapper)
    version, content = der_values(inner)
    data_type, algorithm, sealed = der_values(content)
    algorithm_type, parameters = der_values(algorithm)
    assert int.from_bytes(blob[54:58]) == len(blob) - 58
    assert [content_type.hex(), data_type.hex()] == ["2a864886f70d010706", "2a864886f70d010701"]
    assert [version, algorithm_type.hex(), der_values(parameters)] == [b"\0", "60864801650304012e", [IV, b"\x10"]]
    assert sealed == b"\xaa" * (plaintext_bytes + 27)


def test_parse_gives_the_parts_back() -> None:
    blob = blob_of(100, BlobKind.DATA_KEY)
    assert parse(blob) == Header(
        kind=BlobKind.DATA_KEY,
        key_id_bytes=key_id_bytes(KEY_ID),
        material_prefix=material_prefix(MATERIAL_ID),
        nonce=NONCE,
        iv=IV,
        sealed=b"\xaa" * 127,
        clear=blob[:CLEAR_BYTES],
    )


def test_multi_region_keys_are_named_by_their_16_bytes() -> None:
    fixed = form(BlobKind.PLAINTEXT, "mrk-" + "5a" * 16, MATERIAL_ID).fixed
    assert len(fixed) == 38
    assert fixed[5:21] == b"\x5a" * 16


@pytest.mark.parametrize(
    "content", [b"", b"\x01", b"not a blob at all", bytes(184), b"\x01\x02\x02\x00\x78" + bytes(200)]
)
def test_other_bytes_are_malformed(content: bytes) -> None:
    with pytest.raises(MalformedBlob):
        parse(content)


def test_a_blob_without_plaintext_is_malformed() -> None:
    with pytest.raises(MalformedBlob):
        parse(blob_of(0))


def test_the_inner_header_tells_kind_and_length() -> None:
    plaintext, data_key = (form(kind, KEY_ID, MATERIAL_ID) for kind in BlobKind)
    assert plaintext.inner_header(300).hex() == "0102" + "00" * 5 + "0000012c"
    assert data_key.inner_header(32).hex() == "0103" + "00" * 5 + "00000020"


def der_values(content: bytes) -> list[bytes]:
    """The contents of the DER values that stand one behind the other in `content`."""
    values, position = [], 0
    while position < len(content):
        size, position = content[position + 1], position + 2
        if size & 0x80:
            size_bytes = size & 0x7F
            size, position = int.from_bytes(content[position : position + size_bytes]), position + size_bytes
            assert size >= 0x80, "DER writes lengths as short as possible"
        values.append(content[position : position + size])
        position += size
    assert position == len(content)
    return values
