"""Cases as JSON lines."""

from __future__ import annotations

import json

import pytest

from regionsim.authorization.cases import answer_line
from tests.unit.authorization.cases import ALIAS, AWAY, HOME, KEY, allow

ALICE = f"arn:aws:iam::{HOME}:user/alice"
BASE = {"id": "c1", "principal": ALICE, "action": "kms:Decrypt", "resource": KEY}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def answer(**fields):
    return answer_line(json.dumps({**BASE, **fields}))


def test_the_least_case_is_denied():
    found = answer()
    assert (found["id"], found["decision"], found["code"]) == ("c1", "ImplicitlyDenied", "NOTHING_ALLOWS")


def test_every_layer_is_read():
    found = answer(
        keyPolicy=policy(allow(HOME)),
        identityPolicies=[{"name": "Admin", "policy": policy(allow())}, policy(allow())],
        permissionsBoundary=policy(allow()),
        sessionPolicy=json.dumps(policy(allow())),
        scps=[[policy(allow())], [policy(allow(None, "kms:Decrypt")), policy(allow(None, "s3:*"))]],
        rcps=[[policy(allow("*"))]],
        vpcEndpointPolicies=[policy(allow("*"))],
    )
    assert (found["decision"], found["code"]) == ("Allowed", "ALLOW_IAM_DELEGATED")
    assert found["deciding"] == {"policyType": "identity", "policy": "Admin", "sid": None, "index": 1}
    assert {layer["layer"]: layer["verdict"] for layer in found["layers"]} == {
        "key_policy": "delegates", "identity": "allow", "grants": "absent", "boundary": "allow", "session": "allow",
        "scp": "allow", "rcp": "allow", "vpc_endpoint": "allow",
    }  # fmt: skip


def test_condition_values_are_taken_as_given_but_for_the_encryption_context():
    wants = {"StringEquals": {"kms:EncryptionContext:App": "pay", "kms:KeySpec": "HMAC_256"}}
    limited = policy(allow(ALICE, Condition=wants))
    assert answer(keyPolicy=limited, encryptionContext={"app": "pay"})["decision"] == "ImplicitlyDenied"
    keys = {"kms:keyspec": "HMAC_256"}
    assert answer(keyPolicy=limited, encryptionContext={"app": "pay"}, contextKeys=keys)["decision"] == "Allowed"
    by_name = policy(allow(ALICE, Condition={"StringEquals": {"aws:username": "alice"}}))
    assert answer(keyPolicy=by_name)["decision"] == "ImplicitlyDenied"


def test_aliases_and_no_resource_are_for_iam():
    admin = [policy(allow())]
    assert answer(resource=ALIAS, action="kms:CreateAlias", identityPolicies=admin)["code"] == "ALLOW_IAM"
    assert answer(resource="*", action="kms:ListKeys", identityPolicies=admin)["code"] == "ALLOW_IAM"
    assert answer(resource="*", action="kms:ListKeys")["code"] == "NO_IAM_ALLOW"


def test_grants_with_constraints_and_service_grantees():
    grant = {"GrantId": "g1", "GranteePrincipal": ALICE, "Operations": ["Decrypt"]}
    subset = {**grant, "Constraints": {"EncryptionContextSubset": {"App": "pay"}}}
    assert answer(grants=[grant])["deciding"]["policy"] == "g1"
    assert answer(grants=[subset])["decision"] == "ImplicitlyDenied"
    assert answer(grants=[subset], encryptionContext={"App": "pay", "x": "y"})["code"] == "ALLOW_GRANT"
    served = {
        "GrantId": "g2",
        "GranteeServicePrincipal": "s3.amazonaws.com",
        "Operations": ["Decrypt"],
        "Constraints": {"SourceArn": "arn:aws:s3:::b"},
    }
    caller = {"principal": "s3.amazonaws.com"}
    assert answer(**caller, grants=[served])["decision"] == "ImplicitlyDenied"
    assert answer(**caller, grants=[served], contextKeys={"aws:SourceArn": "arn:aws:s3:::b"})["code"] == "ALLOW_GRANT"


def test_creating_and_retiring_under_a_grant():
    grant = {
        "GrantId": "g1", "GranteePrincipal": ALICE, "Operations": ["Decrypt", "CreateGrant"],
        "RetiringPrincipal": f"arn:aws:iam::{AWAY}:root",
    }  # fmt: skip
    created = {"action": "kms:CreateGrant", "grants": [grant]}
    assert answer(**created, contextKeys={"kms:GrantOperations": ["Decrypt"]})["code"] == "ALLOW_GRANT"
    assert answer(**created, contextKeys={"kms:GrantOperations": ["Encrypt"]})["decision"] == "ImplicitlyDenied"
    retired = {"action": "kms:RetireGrant", "grants": [grant]}
    assert answer(**retired)["decision"] == "ImplicitlyDenied"
    assert answer(**retired, principal=f"arn:aws:iam::{AWAY}:root")["code"] == "ALLOW_GRANT"


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"principal": "alice"}, "MALFORMED_CASE", "principal: 'alice' is neither"),
        ({"action": "Decrypt"}, "MALFORMED_CASE", "action: 'Decrypt' is no action"),
        ({"resource": "1234"}, "MALFORMED_CASE", "resource: '1234' is neither"),
        ({"keyPolicies": {}}, "MALFORMED_CASE", "did you mean 'keyPolicy'"),
        ({"grants": [{"GranteePrincipal": "x", "Operations": ["Decrypt"]}]}, "MALFORMED_CASE", "'x' names nobody"),
        ({"grants": [{"Operations": ["Decrypt"]}]}, "MALFORMED_CASE", "wants GranteePrincipal"),
        ({"scps": [{}]}, "MALFORMED_CASE", "scps[0]: wants a list"),
        ({"encryptionContext": {"a": 1}}, "MALFORMED_CASE", "encryptionContext.a: wants text"),
        ({"keyPolicy": {"Statement": []}}, "MALFORMED_POLICY", "keyPolicy: $.Statement"),
        ({"keyPolicy": "{"}, "MALFORMED_POLICY", "keyPolicy: $: not JSON"),
        (
            {"identityPolicies": [policy({"Effect": "Maybe"})]},
            "MALFORMED_POLICY",
            "identityPolicies[0]: $.Statement[0]",
        ),
    ],
)
def test_what_is_wrong_is_said_and_the_id_is_kept(fields, code, message):
    found = answer(**fields)
    assert set(found) == {"id", "error"}
    assert (found["id"], found["error"]["code"]) == ("c1", code)
    assert message in found["error"]["message"]


@pytest.mark.parametrize("line", ["", "[]", "{", '{"id": 1, "id": 2}', '{"id": NaN}', "[" * 100_000])
def test_what_is_no_object_is_said(line):
    assert answer_line(line)["error"]["code"] == "MALFORMED_CASE"
