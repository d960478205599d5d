from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from regionsim.names.mistakes import ConfigError, RegionsimError, advice, nearest

WORDS = ["Encrypt", "Decrypt", "DescribeKey"]


def test_the_nearest_name_is_found_whatever_the_case():
    assert nearest("encrpt", WORDS) == "Encrypt"
    assert nearest("DESCRIBEKEY", WORDS) == "DescribeKey"


def test_nothing_is_near_what_is_far():
    assert nearest("zzz", WORDS) is None
    assert nearest("Encrypt", []) is None


def test_among_names_that_differ_in_case_only_one_is_given():
    assert nearest("key", ["KEY", "Key"]) in ("KEY", "Key")


@given(st.sampled_from(WORDS))
def test_a_valid_name_is_nearest_to_itself(word):
    assert nearest(word, WORDS) == word


def test_advice_names_the_nearest_or_lists_the_few():
    assert advice("Encryp", WORDS) == "did you mean 'Encrypt'?"
    assert advice("zzz", WORDS) == "valid: Decrypt, DescribeKey, Encrypt"
    assert advice("zzz", []) == "there is none"
    assert advice("zzz", [f"word-{number:02}" for number in range(20)], shown=2) == (
        "valid: word-00, word-01, ... (20 in all)"
    )


def test_a_wrong_setting_is_a_mistake_of_the_person_not_a_refusal():
    assert issubclass(ConfigError, RegionsimError)


def test_two_letters_swapped_are_the_same_name() -> None:
    assert nearest("us-esat-1", ["us-west-1", "us-east-1", "us-east-2"]) == "us-east-1"
    assert nearest("eu-wset-1", ["eu-west-1", "eu-west-2", "us-west-1"]) == "eu-west-1"
