"""AWS's sentences. Source: IAM User Guide, "Troubleshoot access denied error messages"; observed."""

from __future__ import annotations

import pytest

from regionsim.authorization.decide import Code, Deciding, Decision, Outcome
from regionsim.authorization.sentences import aws_message
from tests.unit.authorization.cases import ALIAS, AWAY, HOME, KEY, request, session, user

WHO = f"User: arn:aws:iam::{HOME}:user/alice is not authorized to perform: kms:Decrypt"
FOREIGN = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)
DENIALS = [code for code in Code if not code.startswith("ALLOW")]


def denial(code: Code, policy: str | None = None) -> Decision:
    deciding = None if policy is None else Deciding(policy_type="any", policy=policy, sid=None, index=1)
    outcome = Outcome.EXPLICITLY_DENIED if code.startswith("EXPLICIT") else Outcome.IMPLICITLY_DENIED
    return Decision(outcome=outcome, code=code, deciding=deciding)


@pytest.mark.parametrize(
    ("code", "tail"),
    [
        (Code.NOTHING_ALLOWS, "because no resource-based policy allows the kms:Decrypt action"),
        (Code.KEY_POLICY_DOES_NOT_DELEGATE, "because no resource-based policy allows the kms:Decrypt action"),
        (Code.DELEGATED_BUT_NO_IAM_ALLOW, "because no identity-based policy allows the kms:Decrypt action"),
        (Code.CROSS_ACCOUNT_NO_IAM_ALLOW, "because no identity-based policy allows the kms:Decrypt action"),
        (Code.NO_IAM_ALLOW, "because no identity-based policy allows the kms:Decrypt action"),
        (Code.IMPLICIT_DENY_PB, "because no permissions boundary allows the kms:Decrypt action"),
        (Code.IMPLICIT_DENY_SESSION, "because no session policy allows the kms:Decrypt action"),
        (Code.IMPLICIT_DENY_VPCE, "because no VPC endpoint policy allows the kms:Decrypt action"),
        (Code.IMPLICIT_DENY_SCP, "with an explicit deny in a service control policy"),
        (Code.EXPLICIT_DENY_RESOURCE, "with an explicit deny in a resource-based policy"),
        (Code.EXPLICIT_DENY_IDENTITY, "with an explicit deny in an identity-based policy"),
        (Code.EXPLICIT_DENY_PB, "with an explicit deny in a permissions boundary"),
        (Code.EXPLICIT_DENY_SESSION, "with an explicit deny in a session policy"),
        (Code.EXPLICIT_DENY_SCP, "with an explicit deny in a service control policy"),
        (Code.EXPLICIT_DENY_RCP, "with an explicit deny in a resource control policy"),
        (Code.EXPLICIT_DENY_VPCE, "with an explicit deny in a VPC endpoint policy"),
    ],
)
def test_each_reason(code, tail):
    assert aws_message(request(), denial(code)) == f"{WHO} on resource: {KEY} {tail}"


@pytest.mark.parametrize("code", DENIALS)
def test_every_denial_has_a_sentence(code):
    assert aws_message(request(), denial(code)).startswith(WHO)


@pytest.mark.parametrize(
    "code", [Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW, Code.NOT_USABLE_CROSS_ACCOUNT, Code.EXPLICIT_DENY_RESOURCE]
)
def test_a_foreign_key_is_not_talked_about(code):
    asked = request(user("bob", AWAY))
    beginning = f"User: arn:aws:iam::{AWAY}:user/bob is not authorized to perform: kms:Decrypt"
    assert aws_message(asked, denial(code)) == f"{beginning} on this resource {FOREIGN}"


def test_a_ciphertext_that_names_the_key():
    place = "on the resource associated with this ciphertext"
    own = aws_message(request(), denial(Code.NOTHING_ALLOWS), names_ciphertext=True)
    assert own == f"{WHO} {place} because no resource-based policy allows the kms:Decrypt action"
    foreign = aws_message(request(), denial(Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW), names_ciphertext=True)
    assert foreign == f"{WHO} {place} {FOREIGN}"


def test_who_and_what_else():
    text = aws_message(request(session(), "kms:CreateAlias", ALIAS), denial(Code.NO_IAM_ALLOW))
    assert text == (
        f"User: arn:aws:sts::{HOME}:assumed-role/app/s1 is not authorized to perform: kms:CreateAlias on resource: {ALIAS} "
        "because no identity-based policy allows the kms:CreateAlias action"
    )
    assert " on resource: * because " in aws_message(
        request(action="kms:ListKeys", resource="*"), denial(Code.NO_IAM_ALLOW)
    )


def test_a_policy_with_an_arn_of_its_own_is_named():
    arn = f"arn:aws:iam::{HOME}:policy/no-decrypt"
    assert aws_message(request(), denial(Code.EXPLICIT_DENY_IDENTITY, arn)).endswith(
        f"in an identity-based policy: {arn}"
    )
    assert aws_message(request(), denial(Code.EXPLICIT_DENY_IDENTITY, "inline")).endswith("in an identity-based policy")


def test_an_allowed_call_has_no_message():
    with pytest.raises(AssertionError):
        aws_message(request(), Decision(outcome=Outcome.ALLOWED, code=Code.ALLOW_IAM))
