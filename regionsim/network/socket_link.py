"""Links between processes: envelopes as frames on a stream of bytes.

    length:4  id:8  length of sender:1  sender  length of receiver:1  receiver  body

Delay, loss and faults are done at the sending end, as on every link (`link`); what travels here has arrived.
Source: ours.
"""

from __future__ import annotations

import struct

from regionsim.network.envelope import Envelope

_HEAD = struct.Struct(">QB")


def pack_envelope(envelope: Envelope) -> bytes:
    """The envelope as bytes."""
    sender, receiver = envelope.sender.encode("ascii"), envelope.receiver.encode("ascii")
    head = _HEAD.pack(envelope.id, len(sender))
    return b"".join((head, sender, len(receiver).to_bytes(1), receiver, envelope.body))


def unpack_envelope(packed: bytes) -> Envelope:
    """The envelope that bytes of `pack_envelope` say. Errors: ValueError for anything else."""
    if len(packed) < _HEAD.size:
        raise ValueError("an envelope is cut off")
    number, sender_bytes = _HEAD.unpack_from(packed)
    sender_end = _HEAD.size + sender_bytes
    receiver_at = sender_end + 1
    receiver_end = receiver_at + (packed[sender_end] if sender_end < len(packed) else 0)
    if not sender_end < len(packed) or receiver_end > len(packed):
        raise ValueError("an envelope is cut off")
    return Envelope(
        id=number,
        sender=packed[_HEAD.size : sender_end].decode("ascii"),
        receiver=packed[receiver_at:receiver_end].decode("ascii"),
        body=packed[receiver_end:],
    )
