"""Canonical encryption contexts are injective and do not depend on the order of the pairs."""

from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.encryption_context import canonical

# Few letters, so that different contexts often join to the same text.
_WORDS = st.text(alphabet="ab\0\u00e9", max_size=4)
_CONTEXTS = st.dictionaries(_WORDS, _WORDS, max_size=4)


@given(_CONTEXTS, _CONTEXTS)
def test_equal_bytes_mean_equal_contexts(one: dict[str, str], other: dict[str, str]) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(st.lists(st.tuples(_WORDS, _WORDS), unique_by=lambda pair: pair[0], max_size=6), st.randoms())
def test_order_does_not_count(pairs: list[tuple[str, str]], source) -> None:
    shuffled = list(pairs)
    source.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(dict(pairs))


@given(_CONTEXTS)
def test_the_bytes_can_be_read_back(context: dict[str, str]) -> None:
    content = canonical(context)
    position, parts = 2, []
    while position < len(content):
        size = int.from_bytes(content[position : position + 2])
        parts.append(content[position + 2 : position + 2 + size].decode())
        position += 2 + size
    assert int.from_bytes(content[:2]) == len(context)
    assert dict(zip(parts[::2], parts[1::2], strict=True)) == context
