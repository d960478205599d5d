"""A peer: what is outstanding, what is due, and how the pauses between tries grow."""

from __future__ import annotations

from regionsim.kms.key import SharedProperties
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.messages import Asked, CreateReplica, ReplicaSeed, Synchronize, Synchronized
from regionsim.kms.questions import MayBecomePrimary
from regionsim.region.peer import RESEND_AFTER_NS, RESEND_AT_MOST_NS, RESEND_IN_VAIN_NS, VAIN_TRIES, Peer
from tests.simulation.one_region import HOME, directory_of_two_accounts


def shared(key_id: str, version: int = 1) -> SharedProperties:
    return SharedProperties(
        key_id=key_id,
        account=HOME,
        spec=KeySpec.SYMMETRIC_DEFAULT,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        primary_region="us-east-1",
        shared_version=version,
    )


def synchronize(key_id: str, version: int = 1) -> Synchronize:
    return Synchronize(shared=shared(key_id, version))


def create(key_id: str) -> CreateReplica:
    return CreateReplica(shared=shared(key_id), seed=ReplicaSeed(policy="{}"))


def test_what_is_announced_is_due_once_and_again_when_made_due() -> None:
    peer = Peer(region="eu-west-1")
    peer.announce(synchronize("a"), 0)
    assert peer.take_due(0) == [synchronize("a")]
    assert peer.take_due(0) == []
    assert peer.has_business
    peer.make_due(RESEND_AFTER_NS)
    assert peer.take_due(RESEND_AFTER_NS) == [synchronize("a")]


def test_a_newer_announcement_replaces_the_older_of_its_kind_only() -> None:
    peer = Peer(region="eu-west-1")
    peer.announce(create("a"), 0)
    peer.announce(synchronize("a", 2), 1)
    peer.announce(synchronize("a", 3), 2)
    peer.announce(synchronize("b", 1), 3)

    assert peer.take_due(0) == [create("a"), synchronize("a", 3), synchronize("b", 1)]
    assert [place for place, _ in peer.of_key("a")] == [("a", "create"), ("a", "synchronize")]
    assert [waiting.since_ns for _, waiting in peer.of_key("a")] == [0, 1], "the peer has been behind since version 2"
    assert list(peer.of_key("c")) == []


def test_an_acknowledgement_settles_what_was_not_replaced_meanwhile() -> None:
    peer = Peer(region="eu-west-1")
    peer.announce(synchronize("a", 3), 5)
    assert peer.acknowledged("a", "synchronize", 2) is None
    assert peer.acknowledged("a", "create", 3) is None
    settled = peer.acknowledged("a", "synchronize", 3)
    assert settled is not None
    assert settled.since_ns == 5
    assert not peer.has_business
    peer.announce(synchronize("a", 4), 9)
    assert [waiting.since_ns for _, waiting in peer.of_key("a")] == [9], "what is across counts no more"


def test_every_material_has_its_turn_before_one_is_asked_for_again() -> None:
    peer = Peer(region="eu-west-1")
    for name in "abcde":
        peer.want(name, "m")

    assert peer.take_wanted(2, 0) == (("a", "m"), ("b", "m"))
    peer.want("a", "m")
    assert peer.take_wanted(2, 1) == (("c", "m"), ("d", "m"))
    assert peer.take_wanted(2, 2) == (("e", "m"),)
    assert peer.take_wanted(2, 3) == ()
    assert peer.has_business
    assert peer.is_behind
    assert "5 materials not received" in peer.outstanding_words()
    peer.has_come("c", "m")
    peer.make_due(3 + RESEND_AFTER_NS)
    peer.want("f", "m")
    assert peer.take_wanted(9, 4) == (("a", "m"), ("b", "m"), ("d", "m"), ("e", "m"), ("f", "m"))
    for name in "abdef":
        peer.has_come(name, "m")
    assert not peer.has_business


def test_a_round_that_is_going_on_is_not_begun_anew() -> None:
    peer = Peer(region="eu-west-1")
    for name in "ab":
        peer.want(name, "m")
    peer.is_requesting = True
    peer.take_wanted(1, 100)

    peer.make_due(100 + RESEND_AFTER_NS - 1)
    assert peer.is_requesting
    assert list(peer.wanted) == [("b", "m")]
    peer.make_due(100 + RESEND_AFTER_NS)
    assert not peer.is_requesting, "its answer is overdue"
    assert list(peer.wanted) == [("b", "m"), ("a", "m")]


def test_a_limited_flush_takes_replies_first_and_leaves_the_rest_due() -> None:
    peer = Peer(region="eu-west-1")
    for key_id in "abc":
        peer.announce(synchronize(key_id), 0)
    reply = Synchronized(key_id="z", shared_version=1, material_ids=())
    peer.replies.append(reply)

    assert peer.take_due(0, 2) == [reply, synchronize("a")]
    assert peer.take_due(0) == [synchronize("b"), synchronize("c")]


def test_replies_alone_are_no_business_to_repeat() -> None:
    peer = Peer(region="eu-west-1")
    peer.replies.append(Synchronized(key_id="z", shared_version=1, material_ids=()))
    assert not peer.has_business


def test_wanted_material_and_open_questions_are_business() -> None:
    wanting, asking = Peer(region="eu-west-1"), Peer(region="eu-west-1")
    wanting.want("a", "m")
    caller = directory_of_two_accounts().principal(HOME, "alice")
    question = MayBecomePrimary(key_id="a", account=HOME, shared_version=1, caller=caller, primary_region="eu-west-1")
    asking.asked["q"] = Asked(question_id="q", question=question)
    assert wanting.has_business
    assert asking.has_business


def test_pauses_double_up_to_a_limit_and_a_word_resets_them() -> None:
    peer = Peer(region="eu-west-1")
    assert not peer.heard(), "it had not been silent"
    pauses = []
    for _ in range(6):
        pauses.append(peer.backoff_ns)
        peer.is_silent = True
        peer.back_off()
    assert pauses == [RESEND_AFTER_NS * factor for factor in (1, 2, 4, 8)] + [RESEND_AT_MOST_NS] * 2
    assert peer.heard()
    assert peer.backoff_ns == RESEND_AFTER_NS
    assert not peer.is_silent


def test_words_that_do_not_help_shorten_no_pause_and_progress_does() -> None:
    peer = Peer(region="eu-west-1")
    peer.want("a", "m")
    for _ in range(4):
        peer.back_off()
        assert not peer.heard(), "it had answered every time"
    assert peer.backoff_ns == RESEND_AT_MOST_NS
    peer.has_come("b", "m")
    assert peer.backoff_ns == RESEND_AT_MOST_NS, "nobody had asked for that"
    peer.has_come("a", "m")
    assert peer.backoff_ns == RESEND_AFTER_NS


def test_an_outage_of_days_is_probed_rarely() -> None:
    peer = Peer(region="eu-west-1")
    for _ in range(VAIN_TRIES + 3):
        peer.is_silent = True
        peer.back_off()
    assert peer.backoff_ns == RESEND_IN_VAIN_NS


def test_what_was_just_sent_or_is_being_fetched_is_not_repeated_at_once() -> None:
    peer = Peer(region="eu-west-1")
    peer.announce(synchronize("a"), 0)
    assert peer.take_due(1_000) == [synchronize("a")]
    peer.make_due(2_000)
    assert peer.take_due(2_000) == []
    later = 1_000 + RESEND_AFTER_NS
    peer.make_due(later)
    assert peer.take_due(later) == [synchronize("a")]

    peer.applied("a", "synchronize", 1, later)
    peer.make_due(later + RESEND_AFTER_NS)
    assert peer.take_due(later + RESEND_AFTER_NS) == []
    peer.make_due(later + RESEND_AT_MOST_NS)
    assert peer.take_due(later + RESEND_AT_MOST_NS) == [synchronize("a")]


def test_material_of_a_deleted_key_is_not_asked_for_any_more() -> None:
    peer = Peer(region="eu-west-1")
    for key_id in "ab":
        peer.want(key_id, "m")
        peer.take_wanted(1, 0)
        peer.want(key_id, "n")
    peer.forget_key("a")
    assert {place[0] for place in (*peer.wanted, *peer.requested)} == {"b"}
