"""The wire: what is packed comes back; what no Region sends is refused with one kind of error and nothing else."""

from __future__ import annotations

from typing import Any, get_args

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.kms.hsm_jobs import WrappedMaterial
from regionsim.kms.key import SharedProperties
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.messages import (
    AgreementHalf,
    Asked,
    MaterialBatch,
    MaterialRequest,
    Message,
    ReplicaSeed,
    Synchronize,
    Synchronized,
)
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica, Question
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.wire import (
    MESSAGES_PER_FRAME,
    VERSION,
    WireError,
    pack_audit,
    pack_frame,
    pack_message,
    unpack_audit,
    unpack_calls,
    unpack_frame,
    unpack_message,
)
from tests.unit.region.wire_values import KINDS, messages, msgpack_values, values_of


def packed(value: object) -> bytes:
    body: bytes = msgpack.packb(value)
    return body


def understood(body: bytes) -> list[Message] | None:
    """The messages of a body, None for a WireError; any other exception is the test's failure."""
    try:
        return unpack_frame(body)
    except WireError:
        return None


def test_every_kind_of_message_and_question_is_tested() -> None:
    assert get_args(Message) == KINDS
    assert get_args(Question) == (MayCreateReplica, MayBecomePrimary)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_message_comes_back_as_it_was(kind: type) -> None:
    @given(values_of(kind))
    def comes_back(message: Any) -> None:
        found = unpack_message(pack_message(message))
        assert type(found) is kind
        assert found == message

    comes_back()


@given(st.lists(messages(), max_size=5))
def test_a_frame_comes_back_in_order(sent: list[Message]) -> None:
    assert unpack_frame(pack_frame(sent)) == sent


@given(st.lists(values_of(AuditEntry), max_size=3))
def test_audit_entries_come_back(entries: list[AuditEntry]) -> None:
    assert unpack_audit(pack_audit(entries)) == entries
    assert unpack_calls(pack_audit(entries)) == [entry.request_id for entry in entries if entry.caller is not None]


@given(messages())
def test_the_same_message_has_the_same_bytes(message: Message) -> None:
    assert pack_message(message) == pack_message(unpack_message(pack_message(message)))


@given(st.lists(messages(), min_size=1, max_size=3))
def test_no_truncated_frame_is_understood(sent: list[Message]) -> None:
    body = pack_frame(sent)
    for length in range(len(body)):
        with pytest.raises(WireError):
            unpack_frame(body[:length])


@given(messages(), st.binary(min_size=1, max_size=5))
def test_bytes_after_a_frame_are_refused(message: Message, surplus: bytes) -> None:
    with pytest.raises(WireError):
        unpack_frame(pack_message(message) + surplus)


@given(st.lists(messages(), min_size=1, max_size=3), st.data())
def test_a_changed_frame_is_refused_or_is_another_frame(sent: list[Message], data: st.DataObject) -> None:
    body = bytearray(pack_frame(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))

    found = understood(bytes(body))

    if found is not None:
        assert all(type(message) in KINDS for message in found)
        assert unpack_frame(pack_frame(found)) == found


@given(msgpack_values())
@example([])
@example({})
@example("")
@example([VERSION, [[]]])
@example([VERSION, [0, [], []]])
def test_what_is_no_frame_is_refused(value: object) -> None:
    found = understood(packed(value))
    assert found is None or all(type(message) in KINDS for message in found)


@given(st.integers(0, len(KINDS) - 1), st.lists(msgpack_values(), max_size=4))
def test_a_kind_with_other_fields_is_refused_or_is_of_that_kind(index: int, given_fields: list[object]) -> None:
    found = understood(packed([VERSION, [index, *given_fields]]))
    assert found is None or [type(message) for message in found] == [KINDS[index]]


@given(st.binary(max_size=200))
def test_noise_is_refused_with_a_wire_error(noise: bytes) -> None:
    understood(noise)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x91" * 3000 + b"\x01", id="nested deeper than any message"),
        pytest.param(b"\x92\x01\xa1\xff", id="text that is no UTF-8"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list of 4 thousand million"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="bytes that never come"),
        pytest.param(b"\x92\x01\xc7\x03\xff\x00\x00\x00", id="a malformed timestamp"),
        pytest.param(b"\x92\x01\xd4\x05\x00", id="an extension type"),
        pytest.param(b"\x92\x01\x81\x90\x01", id="a mapping whose key is a list"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_hostile_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        unpack_frame(body)


SPOKEN = Synchronized(key_id="mrk-1", shared_version=3, material_ids=("m1",))


@pytest.mark.parametrize("version", [0, VERSION + 1, -1, "1", 1.0, True, None])
def test_another_version_is_refused(version: object) -> None:
    frame = msgpack.unpackb(pack_message(SPOKEN))
    with pytest.raises(WireError, match="version"):
        unpack_frame(packed([version, *frame[1:]]))


@pytest.mark.parametrize("kind", [-1, len(KINDS), "0", None, True, 2.0])
def test_an_unknown_kind_is_refused(kind: object) -> None:
    frame = msgpack.unpackb(pack_message(SPOKEN))
    with pytest.raises(WireError, match="unknown kind"):
        unpack_frame(packed([VERSION, [kind, *frame[1][1:]]]))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["mrk-1", 3], id="a missing field"),
        pytest.param(["mrk-1", 3, ["m1"], 0], id="a surplus field"),
        pytest.param([b"mrk-1", 3, ["m1"]], id="bytes for text"),
        pytest.param(["mrk-1", True, ["m1"]], id="a boolean for a number"),
        pytest.param(["mrk-1", 3.0, ["m1"]], id="a float for a number"),
        pytest.param(["mrk-1", 3, "m1"], id="text for a list"),
        pytest.param(["mrk-1", 3, [None]], id="nothing for text"),
    ],
)
def test_a_field_of_another_type_is_refused(fields: list[object]) -> None:
    good = [VERSION, [KINDS.index(Synchronized), "mrk-1", 3, ["m1"]]]
    assert unpack_frame(packed(good)) == [SPOKEN]
    with pytest.raises(WireError):
        unpack_frame(packed([VERSION, [KINDS.index(Synchronized), *fields]]))


def test_a_wanted_material_is_a_pair_a_tag_mapping_a_mapping_and_a_spec_a_known_one() -> None:
    half = AgreementHalf(public_key=b"p", signature=b"s")
    frame = msgpack.unpackb(pack_message(MaterialRequest(offer=half, wanted=(("mrk-1", "m1"),))))
    frame[1][2] = [["mrk-1", "m1", "surplus"]]
    with pytest.raises(WireError, match="not 2 values"):
        unpack_frame(packed(frame))
    shared = SharedProperties(
        key_id="mrk-1", account="1", spec=KeySpec.SYMMETRIC_DEFAULT, usage=KeyUsage.ENCRYPT_DECRYPT
    )
    for spec in ("SYMMETRIC_DEFAULTS", ["SYMMETRIC_DEFAULT"], None, 1):
        frame = msgpack.unpackb(pack_message(Synchronize(shared=shared)))
        frame[1][1][2] = spec
        with pytest.raises(WireError, match="no KeySpec"):
            unpack_frame(packed(frame))
    caller = Principal(
        kind=PrincipalKind.USER, arn="arn:aws:iam::111122223333:user/a", account="111122223333", name="a"
    )
    question = MayBecomePrimary(
        key_id="mrk-1", account="111122223333", shared_version=1, caller=caller, primary_region="eu-west-1"
    )
    frame = msgpack.unpackb(pack_message(Asked(question_id="q", question=question)))
    assert frame[1][2][4][6] == {}
    frame[1][2][4][6] = []
    with pytest.raises(WireError, match="not a mapping"):
        unpack_frame(packed(frame))


def test_one_bad_message_spoils_its_frame() -> None:
    frame = msgpack.unpackb(pack_frame([SPOKEN, SPOKEN]))
    frame[2][1] = 5
    with pytest.raises(WireError):
        unpack_frame(packed(frame))


@pytest.mark.parametrize("count", [0, 2])
def test_an_outbox_body_holds_exactly_one_message(count: int) -> None:
    with pytest.raises(WireError):
        unpack_message(pack_frame([SPOKEN] * count))


def test_a_full_frame_of_the_largest_batches_is_small_enough_for_a_link() -> None:
    half = AgreementHalf(public_key=bytes(97), signature=bytes(104))
    material = WrappedMaterial(key_id="mrk-" + "a" * 32, material_id="b" * 64, wrapped=bytes(1 + 4 + 17 + 12 + 32 + 16))
    batch = MaterialBatch(offer=half, acceptance=half, materials=(material,) * 32)

    assert len(pack_message(batch)) < 8_000
    assert len(pack_frame([batch] * MESSAGES_PER_FRAME)) < 512_000
    assert len(pack_message(SPOKEN)) < 20


def test_a_policy_and_wrapped_material_do_not_show_in_a_repr() -> None:
    material = WrappedMaterial(key_id="k", material_id="m", wrapped=b"wrapped-bytes")
    seed = ReplicaSeed(policy='{"secret-policy": 1}')
    assert "wrapped-bytes" not in repr(material)
    assert "secret-policy" not in repr(seed)


def test_a_principal_and_an_answer_keep_their_meaning() -> None:
    caller = Principal(
        kind=PrincipalKind.USER,
        arn="arn:aws:iam::111122223333:user/a",
        account="111122223333",
        name="a",
        tags={"t": "1"},
    )
    question = MayBecomePrimary(
        key_id="mrk-1", account="111122223333", shared_version=1, caller=caller, primary_region="eu-west-1"
    )
    found = unpack_message(pack_message(Asked(question_id="q", question=question)))

    assert isinstance(found, Asked)
    assert found.question == question
    assert found.question.caller.all_keys == caller.all_keys
    assert Answer(refusal_code="X").is_yes is False
    assert Answer().is_yes
