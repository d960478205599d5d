"""Which messages are believed: what no honest Region of this world and version says, however well formed.

Nothing is decided about keys here. A message that passes can be late, doubled or overtaken, and the replication machine
stands that; one that does not pass would make this Region act on what cannot be.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from regionsim.authorization.findings import Severity, check_key_policy
from regionsim.kms.errors import REFUSALS
from regionsim.kms.key import KmsKey, SharedProperties
from regionsim.kms.messages import Answered, Asked, CreateReplica, Message, Synchronize
from regionsim.kms.questions import MayBecomePrimary, MayCreateReplica, Question


def shared_in(message: Message) -> SharedProperties | None:
    """The shared properties that a message announces, or None."""
    return message.shared if isinstance(message, CreateReplica | Synchronize) else None


def why_impossible(message: Message, sender: str, regions: Collection[str], known: KmsKey | None) -> str | None:
    """Why a message of `sender` is dropped; None when it is believed.

    `regions` are all Regions of the world; `known` is what this Region has of the key that the message announces.
    """
    match message:
        case CreateReplica(shared=shared, seed=seed):
            return _why_no_announcement(shared, sender, regions, known) or _why_no_policy(seed.policy)
        case Synchronize(shared=shared):
            return _why_no_announcement(shared, sender, regions, known)
        case Asked(question=question):
            return _why_no_question(question, sender, regions)
        case Answered(answer=answer):
            is_known = answer.refusal_code is None or answer.refusal_code in REFUSALS
            return None if is_known else "a refusal of an unknown code"
        case _:
            return None


def _why_no_announcement(
    shared: SharedProperties, sender: str, regions: Collection[str], known: KmsKey | None
) -> str | None:
    reason = _why_no_set(shared, regions)
    # The primary may have moved to a Region that we have not been told of yet: then the message names it.
    if reason is None and sender not in shared.regions and (known is None or sender not in known.shared.regions):
        reason = "from a Region outside the key's set"
    if reason is None and known is not None and not _is_same_key(shared, known.shared):
        reason = "another key under a known key id"
    return reason


def _why_no_question(question: Question, sender: str, regions: Collection[str]) -> str | None:
    match question:
        case MayCreateReplica(shared=shared):
            if shared.primary_region != sender:
                return "not asked by the primary"
            return _why_no_set(shared, regions)
        case MayBecomePrimary(primary_region=primary_region):
            return None if primary_region in regions else "names a Region outside this world"
        case _:
            assert_never(question)


def _why_no_set(shared: SharedProperties, regions: Collection[str]) -> str | None:
    if not shared.is_multi_region:
        return "a key without a primary"
    if not all(region in regions for region in shared.regions):
        return "names a Region outside this world"
    if len(set(shared.regions)) != len(shared.regions):
        return "names a Region twice"
    return None


def _why_no_policy(policy: str) -> str | None:
    is_wrong = any(finding.severity is Severity.ERROR for finding in check_key_policy(policy))
    return "a key policy that cannot be one" if is_wrong else None


def _is_same_key(one: SharedProperties, other: SharedProperties) -> bool:
    """True when they agree on what a key keeps all its life."""
    return (one.account, one.spec, one.usage, one.origin) == (other.account, other.spec, other.usage, other.origin)
