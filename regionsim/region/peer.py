"""What one Region still has to get across to another, and when it tries again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from regionsim.kms.messages import Announced, Asked, CreateReplica, Message

RESEND_AFTER_NS = 500_000_000
"""A little more than the longest round trip of the table (413 ms)."""

RESEND_AT_MOST_NS = 5_000_000_000


@dataclass(slots=True, kw_only=True)
class Outstanding:
    """An announcement that the other Region has not acknowledged."""

    message: Announced
    since_ns: int
    is_due: bool = True


@dataclass(slots=True, kw_only=True)
class Peer:
    """The other end, as the replicator remembers it. All of it can be rebuilt from the store, except replies and
    questions.

    `wanted` are materials (key id, material id) that this Region lacks and that the peer has told of. `backoff_ns`
    grows while nothing is heard.
    """

    region: str
    outstanding: dict[tuple[str, str], Outstanding] = field(default_factory=dict)
    wanted: dict[tuple[str, str], None] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    replies: list[Message] = field(default_factory=list)
    backoff_ns: int = RESEND_AFTER_NS
    is_silent: bool = False
    is_requesting: bool = False
    is_flush_due: bool = False
    has_timer: bool = False

    @property
    def has_business(self) -> bool:
        """True while something must be repeated until it is answered."""
        return bool(self.outstanding or self.wanted or self.asked)

    def announce(self, message: Announced, since_ns: int) -> None:
        """Remember an announcement; it replaces an older one of its key and kind."""
        kind = "create" if isinstance(message, CreateReplica) else "synchronize"
        self.outstanding[message.shared.key_id, kind] = Outstanding(message=message, since_ns=since_ns)

    def take_due(self, limit: int | None = None) -> list[Message]:
        """What shall be sent now, and is then not due any more until `make_due`."""
        messages: list[Message] = list(self.replies)
        self.replies.clear()
        for waiting in self.outstanding.values():
            if limit is not None and len(messages) >= limit:
                break
            if waiting.is_due:
                waiting.is_due = False
                messages.append(waiting.message)
        return messages

    def make_due(self) -> None:
        """Let everything outstanding be sent again."""
        for waiting in self.outstanding.values():
            waiting.is_due = True

    def of_key(self, key_id: str) -> Iterator[tuple[tuple[str, str], Outstanding]]:
        """The outstanding announcements of one key."""
        for kind in ("create", "synchronize"):
            waiting = self.outstanding.get((key_id, kind))
            if waiting is not None:
                yield (key_id, kind), waiting

    def heard(self) -> bool:
        """Note that the peer spoke; True when it had been silent for so long that everything should be sent anew."""
        was_backing_off = self.backoff_ns > RESEND_AFTER_NS
        self.is_silent = False
        self.backoff_ns = RESEND_AFTER_NS
        return was_backing_off

    def back_off(self) -> None:
        """Wait longer before the next try."""
        self.backoff_ns = min(self.backoff_ns * 2, RESEND_AT_MOST_NS)
