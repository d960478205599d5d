"""What a caller may write as KeyId, and what each form leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.errors import AccessDeniedException, InvalidArnException, KmsError, NotFoundException
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import alias_in, locate, resolve
from regionsim.kms.state import RegionState
from regionsim.kms.writes import PutAlias, PutKey
from tests.unit.kms.keys import AWAY, HERE, HOME, KEY_ID, MRK_ID, a_key, an_alias, caller, state_with

ABSENT = "99999999-12ab-44cd-a6ef-1234567890ab"
FOREIGN = "77777777-12ab-44cd-a6ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{HERE}:{HOME}:key/{KEY_ID}"
MRK_ARN = f"arn:aws:kms:{HERE}:{HOME}:key/{MRK_ID}"
FOREIGN_ARN = f"arn:aws:kms:{HERE}:{AWAY}:key/{FOREIGN}"
ALIAS_ARN = f"arn:aws:kms:{HERE}:{HOME}:alias/orders"
UNKNOWN_TO_STRANGERS = (
    f"User: arn:aws:iam::{HOME}:user/alice is not authorized to perform: kms:Encrypt on this resource because the "
    "resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy "
    "explicitly denies access"
)


def state() -> RegionState:
    return state_with(
        PutKey(key=a_key(KEY_ID)),
        PutKey(key=a_key(MRK_ID, primary_region=HERE)),
        PutKey(key=a_key(FOREIGN, account=AWAY)),
        PutAlias(alias=an_alias("alias/orders")),
        PutAlias(alias=an_alias("alias/theirs", FOREIGN, account=AWAY)),
    )


def resolved(identifier: str, *, takes_alias: bool = True, operation: str = "Encrypt") -> KmsKey:
    return resolve(state(), caller(), identifier, operation=operation, takes_alias=takes_alias)


FORMS = {
    KEY_ID: KEY_ID,
    KEY_ARN: KEY_ID,
    MRK_ID: MRK_ID,
    MRK_ARN: MRK_ID,
    FOREIGN_ARN: FOREIGN,
    "alias/orders": KEY_ID,
    ALIAS_ARN: KEY_ID,
    f"arn:aws:kms:{HERE}:{AWAY}:alias/theirs": FOREIGN,
}


@pytest.mark.parametrize(("identifier", "key_id"), FORMS.items())
def test_every_form_leads_to_its_key(identifier: str, key_id: str) -> None:
    assert resolved(identifier).key_id == key_id
    assert locate(state(), HOME, identifier) == key_id


REFUSED = {
    # Well-formed, and nothing there.
    ABSENT: (NotFoundException, f"Key 'arn:aws:kms:{HERE}:{HOME}:key/{ABSENT}' does not exist"),
    KEY_ARN.replace(KEY_ID, ABSENT): (
        NotFoundException,
        f"Key 'arn:aws:kms:{HERE}:{HOME}:key/{ABSENT}' does not exist",
    ),
    "mrk-" + "0" * 32: (NotFoundException, f"Key 'arn:aws:kms:{HERE}:{HOME}:key/mrk-{'0' * 32}' does not exist"),
    "alias/none": (NotFoundException, f"Alias arn:aws:kms:{HERE}:{HOME}:alias/none is not found."),
    f"arn:aws:kms:{HERE}:{HOME}:alias/none": (
        NotFoundException,
        f"Alias arn:aws:kms:{HERE}:{HOME}:alias/none is not found.",
    ),
    # The id of another account's key, without the account: one's own account has no such key.
    FOREIGN: (NotFoundException, f"Key 'arn:aws:kms:{HERE}:{HOME}:key/{FOREIGN}' does not exist"),
    # Another Region's ARN: no look-up across Regions, not even for multi-Region keys.
    f"arn:aws:kms:eu-west-1:{HOME}:key/{KEY_ID}": (NotFoundException, "Invalid arn eu-west-1"),
    f"arn:aws:kms:eu-west-1:{HOME}:key/{MRK_ID}": (NotFoundException, "Invalid arn eu-west-1"),
    f"arn:aws:kms:eu-west-1:{HOME}:alias/orders": (NotFoundException, "Invalid arn eu-west-1"),
    # Not a key id at all.
    "key_id": (NotFoundException, "Invalid keyId 'key_id'"),
    "mrk-fake-key-id": (NotFoundException, "Invalid keyId 'mrk-fake-key-id'"),
    KEY_ID.replace("-", ""): (NotFoundException, f"Invalid keyId '{KEY_ID.replace('-', '')}'"),
    KEY_ID.upper(): (NotFoundException, f"Invalid keyId '{KEY_ID.upper()}'"),
    # Not an ARN of a key or an alias here.
    f"arn:aws:kms:{HERE}:{HOME}:key/key_id": (InvalidArnException, f"Invalid arn arn:aws:kms:{HERE}:{HOME}:key/key_id"),
    f"arn:aws:kms:{HERE}:{HOME}:alias": (InvalidArnException, f"Invalid arn arn:aws:kms:{HERE}:{HOME}:alias"),
    f"arn:aws:kms:{HERE}:{HOME}:alias/": (InvalidArnException, f"Invalid arn arn:aws:kms:{HERE}:{HOME}:alias/"),
    f"arn:aws:s3:{HERE}:{HOME}:key/{KEY_ID}": (
        InvalidArnException,
        f"Invalid arn arn:aws:s3:{HERE}:{HOME}:key/{KEY_ID}",
    ),
    f"arn:aws-cn:kms:{HERE}:{HOME}:key/{KEY_ID}": (
        InvalidArnException,
        f"Invalid arn arn:aws-cn:kms:{HERE}:{HOME}:key/{KEY_ID}",
    ),
    "arn:aws:kms": (InvalidArnException, "Invalid arn arn:aws:kms"),
    # What strangers hear of what is not there is what they hear of what they may not use.
    f"arn:aws:kms:{HERE}:{AWAY}:key/{ABSENT}": (AccessDeniedException, UNKNOWN_TO_STRANGERS),
    f"arn:aws:kms:{HERE}:{AWAY}:key/{KEY_ID}": (AccessDeniedException, UNKNOWN_TO_STRANGERS),
    f"arn:aws:kms:{HERE}:{AWAY}:alias/orders": (AccessDeniedException, UNKNOWN_TO_STRANGERS),
}


@pytest.mark.parametrize(("identifier", "refusal"), REFUSED.items())
def test_what_leads_nowhere_is_refused_as_aws_refuses_it(identifier: str, refusal: tuple[type[KmsError], str]) -> None:
    kind, text = refusal
    for operation in ("DescribeKey", "Encrypt", "ReEncryptFrom"):
        is_modelled = kind is not InvalidArnException or operation == "DescribeKey"
        with pytest.raises(kind if is_modelled else NotFoundException) as caught:
            resolved(identifier, operation=operation)
        assert caught.value.message == text.replace("kms:Encrypt", f"kms:{operation}")


@pytest.mark.parametrize("identifier", ["alias/orders", "alias/none", ALIAS_ARN, f"arn:aws:kms:{HERE}:{AWAY}:alias/x"])
def test_an_alias_is_refused_where_none_is_taken(identifier: str) -> None:
    with pytest.raises(InvalidArnException) as caught:
        resolved(identifier, takes_alias=False)
    assert caught.value.message == "Key Aliases are not supported for this operation."


@pytest.mark.parametrize(
    "identifier",
    [
        ABSENT,
        "alias/none",
        "key_id",
        "arn:aws:kms",
        f"arn:aws:kms:eu-west-1:{HOME}:key/{KEY_ID}",
        f"arn:aws-cn:kms:{HERE}:{HOME}:key/{KEY_ID}",
        f"arn:aws:s3:{HERE}:{HOME}:key/{KEY_ID}",
    ],
)
def test_locating_has_no_opinion_and_finds_nothing(identifier: str) -> None:
    assert locate(state(), HOME, identifier) is None


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (KEY_ID, None),
        (KEY_ARN, None),
        ("alias/orders", "alias/orders"),
        (ALIAS_ARN, "alias/orders"),
        ("", None),
        ("nonsense", None),
    ],
)
def test_the_alias_in_an_identifier_is_its_name(identifier: str, name: str | None) -> None:
    assert alias_in(identifier) == name


@given(st.text(alphabet="arn:wskm-eutc/1234567890abcdefilo*", max_size=80))
def test_any_text_is_resolved_or_refused(identifier: str) -> None:
    known = state()
    try:
        key = resolve(known, caller(), identifier, operation="Encrypt", takes_alias=True)
    except KmsError:
        return
    assert known.key(key.key_id) is key
