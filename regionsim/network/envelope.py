"""What passes between Regions: opaque bytes with an address."""

from __future__ import annotations

from dataclasses import field

from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Bytes from one Region to another. `id` is the sender's count; a duplicate arrives under the same one.

    The body is kept out of `repr`, its length too: neither belongs into a trace or a log.
    """

    id: int
    sender: str
    receiver: str
    body: bytes = field(repr=False)
