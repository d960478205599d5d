"""Envelopes on their way to another process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.network.envelope import Envelope
from regionsim.network.socket_link import pack_envelope, unpack_envelope

REGIONS = st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1"])


@given(st.integers(0, 2**63), REGIONS, REGIONS, st.binary(max_size=300))
def test_what_goes_in_comes_out(number, sender, receiver, body):
    envelope = Envelope(id=number, sender=sender, receiver=receiver, body=body)
    assert unpack_envelope(pack_envelope(envelope)) == envelope


@given(st.binary(max_size=40))
def test_what_is_no_envelope_is_a_mistake(packed):
    try:
        envelope = unpack_envelope(packed)
    except ValueError:
        return
    assert pack_envelope(envelope) == packed


@pytest.mark.parametrize("length", range(29))
def test_a_cut_off_head_is_a_mistake(length):
    packed = pack_envelope(Envelope(id=1, sender="us-east-1", receiver="eu-west-1", body=b""))
    if length < len(packed):
        with pytest.raises(ValueError, match="cut off"):
            unpack_envelope(packed[:length])
