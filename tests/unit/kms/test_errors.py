"""The refusals against AWS's model, and what an instance carries."""

from __future__ import annotations

import pickle

import pytest

from regionsim.kms import errors
from regionsim.kms.errors import (
    REFUSALS,
    AccessDeniedException,
    CustomKeyStoreError,
    FrontDoorRefusal,
    InvalidCiphertextException,
    KmsError,
    KMSInternalException,
    NotFoundException,
    ServerFault,
)
from regionsim.kms.model import model

COMMON = {
    "AccessDeniedException": 400,
    "ExpiredTokenException": 400,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InvalidAction": 400,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 400,
    "MissingAuthenticationTokenException": 400,
    "NotAuthorized": 400,
    "OptInRequired": 403,
    "RequestEntityTooLargeException": 413,
    "RequestExpired": 400,
    "SerializationException": 400,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "UnknownOperationException": 400,
    "UnrecognizedClientException": 400,
    "ValidationException": 400,
}


def test_every_refusal_of_the_model_is_a_class_with_its_status_and_there_are_no_others():
    assert {code: refusal.http_status for code, refusal in REFUSALS.items()} == {**model().refusals, **COMMON}


def test_every_refusal_that_an_operation_lists_can_be_raised():
    listed = {error for operation in model().operations.values() for error in operation.errors}
    assert listed <= REFUSALS.keys()


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_is_named_as_aws_names_it(code):
    refusal = REFUSALS[code]
    assert refusal.__name__ == refusal.code == code
    assert getattr(errors, code) is refusal
    assert refusal.__doc__


def test_families_follow_who_is_at_fault():
    assert {code for code, refusal in REFUSALS.items() if refusal.http_status >= 500} == {
        code for code, refusal in REFUSALS.items() if issubclass(refusal, ServerFault)
    }
    outside = {code for code, refusal in REFUSALS.items() if issubclass(refusal, FrontDoorRefusal)}
    assert outside | {"InternalFailure", "ServiceUnavailable"} == COMMON.keys()
    stores = {code for code in REFUSALS if code.startswith(("CloudHsm", "CustomKeyStore", "Xks", "IncorrectTrust"))}
    assert {code for code, refusal in REFUSALS.items() if issubclass(refusal, CustomKeyStoreError)} == stores


@pytest.mark.parametrize("family", [KmsError, ServerFault, FrontDoorRefusal, CustomKeyStoreError])
def test_a_family_is_never_raised(family):
    with pytest.raises(AssertionError, match="family"):
        family("no")


def test_the_tree_drawn_at_the_top_is_the_tree():
    assert drawn_parents(errors.__doc__ or "") == {
        child.__name__: parent.__name__ for parent in [KmsError, *descendants(KmsError)] for child in children(parent)
    }


def test_a_refusal_says_its_code_and_text():
    refusal = NotFoundException("Invalid keyId 'x'")
    assert (refusal.code, refusal.message, refusal.may_have_happened) == (
        "NotFoundException",
        "Invalid keyId 'x'",
        False,
    )
    assert str(refusal) == "NotFoundException: Invalid keyId 'x'"


def test_some_refusals_carry_no_text():
    assert InvalidCiphertextException().message == ""
    assert str(InvalidCiphertextException()) == "InvalidCiphertextException"


def test_one_that_may_have_happened_says_so_and_no_other_does():
    assert KMSInternalException("no answer", may_have_happened=True).may_have_happened
    assert not KMSInternalException("no answer").may_have_happened
    assert not KMSInternalException.may_have_happened


def test_a_refusal_survives_a_pickle():
    copy = pickle.loads(pickle.dumps(KMSInternalException("late", may_have_happened=True)))
    assert (type(copy), copy.message, copy.may_have_happened) == (KMSInternalException, "late", True)


def test_a_refusal_is_caught_as_its_family():
    with pytest.raises(FrontDoorRefusal):
        raise AccessDeniedException("no")


def children(parent):
    return [child for child in parent.__subclasses__() if child.__module__ == errors.__name__]


def descendants(parent):
    for child in children(parent):
        yield child
        yield from descendants(child)


def drawn_parents(text):
    """Child -> parent, as the drawing's indentation says."""
    parents, above = {}, {}
    for line in text.splitlines():
        name = line.lstrip("│├└─ ").split("  ")[0]
        if line == "KmsError":
            above[0] = name
        elif above and line[:1] in ("├", "└", "│", " ") and name:
            depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
            above[depth] = name
            parents[name] = above[depth - 1]
    return parents
