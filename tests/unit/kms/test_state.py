"""The committed state and its indexes against a naive model that searches everything each time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.key import Alias, KeyState, KmsKey, Tombstone
from regionsim.kms.state import RegionState
from regionsim.kms.writes import PutAlias, PutKey, PutToken, PutTombstone, RemoveAlias, RemoveKey, RemoveToken, Write
from regionsim.names.ids import key_id_bytes
from tests.unit.kms.keys import AWAY, HERE, HOME, a_key, a_token, an_alias, key_id_of, material, state_with

KEY_IDS = [key_id_of(1), key_id_of(2), "mrk-" + "3" * 32, key_id_of(4)]
NAMES = ["alias/a", "alias/b", "alias/c", "alias/A"]
MATERIALS = ["11" * 32, "22" * 32]
ACCOUNT_OF = {key_id: HOME if at < 3 else AWAY for at, key_id in enumerate(KEY_IDS)}


class Naive:
    """What the state should say, kept as plain dictionaries."""

    def __init__(self) -> None:
        self.keys: dict[str, KmsKey] = {}
        self.aliases: dict[tuple[str, str], Alias] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.tombstones: dict[str, Tombstone] = {}

    def can(self, write: Write) -> bool:
        """Whether the rules could ever commit it: an alias goes with a key of its account."""
        if isinstance(write, PutAlias):
            key = self.keys.get(write.alias.target_key_id)
            return key is not None and key.account == write.alias.account
        return True

    def apply(self, write: Write) -> None:
        match write:
            case PutKey(key=key):
                self.keys[key.key_id] = key
            case RemoveKey(key_id=key_id):
                if self.keys.pop(key_id, None) is not None:
                    self.tokens.pop(key_id, None)
                self.aliases = {at: alias for at, alias in self.aliases.items() if alias.target_key_id != key_id}
            case PutAlias(alias=alias):
                self.aliases[alias.account, alias.name] = alias
            case RemoveAlias(account=account, name=name):
                self.aliases.pop((account, name), None)
            case PutToken(material=held, is_rewrapped=is_rewrapped):
                is_there = held.material_id in self.tokens.get(held.key_id, {})
                if held.key_id in self.keys and (is_there or not is_rewrapped):
                    self.tokens.setdefault(held.key_id, {})[held.material_id] = held
            case RemoveToken(key_id=key_id, material_id=material_id):
                self.tokens.get(key_id, {}).pop(material_id, None)
            case PutTombstone(tombstone=tombstone):
                self.tombstones[tombstone.key_id] = tombstone

    def aliases_of(self, key_id: str) -> tuple[Alias, ...]:
        found = [alias for alias in self.aliases.values() if alias.target_key_id == key_id]
        return tuple(sorted(found, key=lambda alias: alias.name)) if key_id in self.keys else ()


key_ids = st.sampled_from(KEY_IDS)
puts = st.builds(
    lambda key_id, state: PutKey(key=a_key(key_id, account=ACCOUNT_OF[key_id], state=state)),
    key_ids,
    st.sampled_from([KeyState.ENABLED, KeyState.DISABLED]),
)
aliases = st.builds(
    lambda name, key_id: PutAlias(alias=an_alias(name, key_id, account=ACCOUNT_OF[key_id])),
    st.sampled_from(NAMES),
    key_ids,
)
writes = st.one_of(
    puts,
    aliases,
    st.builds(lambda key_id: RemoveKey(key_id=key_id), key_ids),
    st.builds(lambda name, account: RemoveAlias(account=account, name=name), st.sampled_from(NAMES), st.sampled_from([HOME, AWAY])),
    st.builds(
        lambda key_id, held, is_rewrapped: PutToken(material=a_token(key_id, held), is_rewrapped=is_rewrapped),
        key_ids,
        st.sampled_from(MATERIALS),
        st.booleans(),
    ),
    st.builds(lambda key_id, held: RemoveToken(key_id=key_id, material_id=held), key_ids, st.sampled_from(MATERIALS)),
    st.builds(
        lambda key_id, version: PutTombstone(tombstone=Tombstone(applied_version=version, shared=a_key(key_id).shared)),
        key_ids,
        st.integers(1, 3),
    ),
)  # fmt: skip


def check(state: RegionState, naive: Naive) -> None:
    assert {key.key_id: key for key in state.all_keys()} == naive.keys
    for key_id in KEY_IDS:
        assert state.key(key_id) == naive.keys.get(key_id)
        assert state.key_by_bytes(key_id_bytes(key_id)) == naive.keys.get(key_id)
        assert state.aliases_of(key_id) == naive.aliases_of(key_id)
        assert state.tombstone(key_id) == naive.tombstones.get(key_id)
        assert set(state.material_ids(key_id)) == set(naive.tokens.get(key_id, {}))
        for material_id in MATERIALS:
            assert state.material(key_id, material_id) == naive.tokens.get(key_id, {}).get(material_id)
    for account in (HOME, AWAY):
        own = sorted(key.key_id for key in naive.keys.values() if key.account == account)
        names = sorted(name for at, name in naive.aliases if at == account)
        assert state.key_count(account) == len(own)
        assert list(state.key_ids_after(account, None, 99)) == own
        assert list(state.key_ids_after(account, KEY_IDS[1], 2)) == [i for i in own if i > KEY_IDS[1]][:2]
        assert list(state.alias_names_after(account, None, 99)) == names
        assert list(state.alias_names_after(account, "alias/a", 1)) == [n for n in names if n > "alias/a"][:1]
        for name in NAMES:
            assert state.alias(account, name) == naive.aliases.get((account, name))


EVERY_KEY: list[Write] = [PutKey(key=a_key(key_id, account=ACCOUNT_OF[key_id])) for key_id in KEY_IDS]


@given(st.lists(writes, max_size=30))
def test_the_indexes_say_what_a_search_of_everything_says(history: list[Write]) -> None:
    state, naive = RegionState(HERE), Naive()
    for write in [*EVERY_KEY, *history]:
        if naive.can(write):
            state.apply(write)
            naive.apply(write)
            check(state, naive)


def test_a_key_that_is_removed_takes_its_aliases_and_tokens_with_it() -> None:
    first, second = KEY_IDS[:2]
    state = state_with(
        PutKey(key=a_key(first)),
        PutKey(key=a_key(second)),
        PutAlias(alias=an_alias("alias/a", first)),
        PutAlias(alias=an_alias("alias/b", second)),
        PutToken(material=a_token(first)),
        RemoveKey(key_id=first),
        RemoveKey(key_id=first),
    )
    assert state.alias(HOME, "alias/a") is None
    assert list(state.alias_names_after(HOME, None, 9)) == ["alias/b"]
    assert state.aliases_of(first) == state.material_ids(first) == ()
    assert state.key_by_bytes(key_id_bytes(first)) is None


@given(st.lists(writes, max_size=12))
def test_applying_a_write_twice_is_harmless(history: list[Write]) -> None:
    state, naive = RegionState(HERE), Naive()
    for write in history:
        if naive.can(write):
            state.apply(write)
            state.apply(write)
            naive.apply(write)
    check(state, naive)


def test_the_materials_that_are_missing_are_those_named_and_not_held() -> None:
    first, second, pending = "11" * 32, "22" * 32, "33" * 32
    key = a_key(materials=(material(first), material(second)), pending_material=material(pending))
    state = state_with(PutKey(key=key), PutToken(material=a_token(material_id=second)))
    assert state.missing_material_ids(key) == (first, pending)


def test_a_state_shows_no_token_in_its_repr() -> None:
    assert "token" not in repr(a_token(token=b"secret-token"))


class Counting(str):
    """A name that counts how often it is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counting.compared += 1
        return str.__eq__(self, other)

    def __lt__(self, other: str) -> bool:
        Counting.compared += 1
        return str.__lt__(self, other)

    __hash__ = str.__hash__


def test_an_alias_goes_without_a_look_at_all_others() -> None:
    state = RegionState(HERE)
    names = [Counting(f"alias/{number:04}") for number in range(1, 2_000)]
    for number, name in enumerate(names):
        alias = Alias(account=HOME, name=name, target_key_id=f"key-{number}", created_at_ns=0, updated_at_ns=0)
        state.apply(PutAlias(alias=alias))
    Counting.compared = 0
    for name in (names[0], names[-1], names[1_000]):
        state.apply(RemoveAlias(account=HOME, name=name))
    assert len(state.alias_names_after(HOME, None, 2_000)) == 1_996
    assert Counting.compared <= 3 * 20
