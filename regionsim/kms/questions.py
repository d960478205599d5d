"""What one Region may ask another before it decides, and the answers.

ReplicateKey must know whether the caller may create a key there and whether the Region is free; UpdatePrimaryRegion
needs both policies and both keys' states. The asked Region decides once, from its committed state alone, and changes
nothing; a question that arrives again while its asker may still wait gets the same answer again.

Source: KMS API Reference, ReplicateKey and UpdatePrimaryRegion ("required permissions"); the messages are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.authorization.principals import Principal
from regionsim.kms.key import SharedProperties
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MayCreateReplica:
    """May `caller` create this replica in the asked Region (kms:CreateKey there), and is its place free?"""

    shared: SharedProperties
    caller: Principal
    policy: str | None = field(default=None, repr=False)
    bypass_lockout_check: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    source_ip: str = ""
    user_agent: str = ""
    circumstances: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MayBecomePrimary:
    """May `caller` make the asked Region's replica the primary (kms:UpdatePrimaryRegion there), is it Enabled, and has
    it applied `shared_version` and all that this names?"""

    key_id: str
    account: str
    shared_version: int
    caller: Principal
    primary_region: str
    source_ip: str = ""
    user_agent: str = ""
    circumstances: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


Question = MayCreateReplica | MayBecomePrimary


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Yes, or the refusal that the caller shall get: AWS's error name and text."""

    refusal_code: str | None = None
    refusal_message: str = ""

    @property
    def is_yes(self) -> bool:
        return self.refusal_code is None
