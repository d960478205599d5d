"""What one Region still has to get across to another, and when it tries again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from itertools import islice

from regionsim.kms.messages import Announced, AnnouncementKind, Asked, Message
from regionsim.names.dataclass import dataclass

RESEND_AFTER_NS = 500_000_000
"""A little more than the longest round trip of the table (413 ms)."""

RESEND_AT_MOST_NS = 5_000_000_000
VAIN_TRIES = 120
RESEND_IN_VAIN_NS = 30_000_000_000
"""After ten minutes in which nothing came across it is tried no oftener than this: an outage may last for days."""

_KEYS_NAMED = 3


@dataclass(slots=True, kw_only=True)
class Outstanding:
    """An announcement that the other Region has not acknowledged. `since_ns` (epoch) is when its commit began, or that
    of the oldest one that it replaced unacknowledged. It is not sent again before `not_before_ns`."""

    message: Announced
    since_ns: int
    is_due: bool = True
    not_before_ns: int = 0


@dataclass(slots=True, kw_only=True)
class Peer:
    """The other end, as the replicator remembers it. All of it can be rebuilt from the store, except replies and
    questions.

    `wanted` are materials (key id, material id) that this Region lacks and that the peer has told of, as far as they
    were not asked for in this round; `requested` were. `backoff_ns` grows while nothing comes across, whether nothing
    is heard or what is heard does not help; `silent_count` counts the tries on end after which nothing was heard.
    """

    region: str
    outstanding: dict[tuple[str, str], Outstanding] = field(default_factory=dict)
    wanted: dict[tuple[str, str], None] = field(default_factory=dict)
    requested: dict[tuple[str, str], None] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    replies: list[Message] = field(default_factory=list)
    backoff_ns: int = RESEND_AFTER_NS
    is_silent: bool = False
    silent_count: int = 0
    vain_count: int = 0
    is_requesting: bool = False
    requested_at_ns: int = 0
    is_flush_due: bool = False
    has_timer: bool = False

    @property
    def has_business(self) -> bool:
        """True while something must be repeated until it is answered."""
        return bool(self.outstanding or self.lacking_count or self.asked)

    @property
    def lacking_count(self) -> int:
        """Materials that have not come yet."""
        return len(self.wanted) + len(self.requested)

    @property
    def is_behind(self) -> bool:
        """True while an announcement or a material is not across."""
        return bool(self.outstanding or self.lacking_count)

    def outstanding_words(self) -> str:
        """What is not across, for a person: how many announcements and materials, and of which keys."""
        told = sorted({key_id for key_id, _ in self.outstanding})
        lacking = sorted({key_id for key_id, _ in (*self.wanted, *self.requested)})
        words = []
        if told:
            words.append(f"{len(self.outstanding)} not acknowledged ({_some(told)})")
        if lacking:
            words.append(f"{self.lacking_count} materials not received ({_some(lacking)})")
        return ", ".join(words)

    def announce(self, message: Announced, since_ns: int) -> None:
        """Remember an announcement; it replaces an older one of its key and kind, and takes over how long that one has
        been waiting."""
        place = (message.key_id, message.kind)
        replaced = self.outstanding.get(place)
        since_ns = since_ns if replaced is None else min(since_ns, replaced.since_ns)
        self.outstanding[place] = Outstanding(message=message, since_ns=since_ns)
        self.progress()

    def acknowledged(self, key_id: str, kind: str, shared_version: int) -> Outstanding | None:
        """The announcement that need not be repeated any more, if it was not replaced by a newer one."""
        waiting = self.outstanding.get((key_id, kind))
        if waiting is None or waiting.message.shared_version > shared_version:
            return None
        self.progress()
        return self.outstanding.pop((key_id, kind))

    def applied(self, key_id: str, kind: str, shared_version: int, now_ns: int) -> None:
        """Repeat an announcement more rarely: the other Region has it, and fetches the material that it names."""
        waiting = self.outstanding.get((key_id, kind))
        if waiting is not None and waiting.message.shared_version <= shared_version:
            waiting.not_before_ns = now_ns + RESEND_AT_MOST_NS
            self.progress()

    def want(self, key_id: str, material_id: str) -> None:
        """Let a material be asked for, in this round if it was not yet."""
        if (key_id, material_id) not in self.requested:
            self.wanted[key_id, material_id] = None

    def has_come(self, key_id: str, material_id: str) -> None:
        """Let a material not be asked for any more."""
        was_wanted = self.wanted.pop((key_id, material_id), 0) is None
        was_requested = self.requested.pop((key_id, material_id), 0) is None
        if was_wanted or was_requested:
            self.progress()

    def forget_key(self, key_id: str) -> None:
        """Ask for no material of a key that is deleted here."""
        for places in (self.wanted, self.requested):
            for place in [place for place in places if place[0] == key_id]:
                del places[place]

    def take_wanted(self, limit: int, now_ns: int) -> tuple[tuple[str, str], ...]:
        """What shall be asked for now: of this round, what has waited longest. It goes behind all others."""
        self.requested_at_ns = now_ns
        taken = tuple(islice(self.wanted, limit))
        for place in taken:
            del self.wanted[place]
            self.requested[place] = None
        return taken

    def take_due(self, now_ns: int, limit: int | None = None) -> list[Message]:
        """What shall be sent now, and is then not due any more until `make_due`."""
        messages: list[Message] = list(self.replies)
        self.replies.clear()
        for waiting in self.outstanding.values():
            if limit is not None and len(messages) >= limit:
                break
            if waiting.is_due:
                waiting.is_due = False
                waiting.not_before_ns = max(waiting.not_before_ns, now_ns + RESEND_AFTER_NS)
                messages.append(waiting.message)
        return messages

    def make_due(self, now_ns: int) -> None:
        """Let what has waited long enough be sent again, and a new round of requests begin unless one is going on."""
        for waiting in self.outstanding.values():
            if waiting.not_before_ns <= now_ns:
                waiting.is_due = True
        if now_ns - self.requested_at_ns >= RESEND_AFTER_NS or not self.is_requesting:
            self.is_requesting = False
            self.wanted.update(self.requested)
            self.requested.clear()

    def of_key(self, key_id: str) -> Iterator[tuple[tuple[str, str], Outstanding]]:
        """The outstanding announcements of one key."""
        for kind in AnnouncementKind:
            waiting = self.outstanding.get((key_id, kind))
            if waiting is not None:
                yield (key_id, kind), waiting

    def heard(self) -> bool:
        """Note that the peer spoke; True when it had been silent for so long that everything should be sent anew."""
        was_away = self.silent_count > 0
        self.is_silent = False
        self.silent_count = 0
        if was_away:
            self.progress()
        return was_away

    def progress(self) -> None:
        """Something came across, or there is something new: the next try need not wait long."""
        self.backoff_ns = RESEND_AFTER_NS
        self.vain_count = 0

    def back_off(self) -> None:
        """Wait longer before the next try."""
        self.vain_count += 1
        self.silent_count += self.is_silent
        longest_ns = RESEND_AT_MOST_NS if self.vain_count < VAIN_TRIES else RESEND_IN_VAIN_NS
        self.backoff_ns = min(self.backoff_ns * 2, longest_ns)


def _some(key_ids: list[str]) -> str:
    shown = ", ".join(key_ids[:_KEYS_NAMED])
    return shown if len(key_ids) <= _KEYS_NAMED else f"{shown} and {len(key_ids) - _KEYS_NAMED} more"
