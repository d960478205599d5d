"""What a decision costs: a key policy of 20 statements, two of its conditions tested, 50,000 grants on the key."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from regionsim.authorization.compile import compile_policy
from regionsim.authorization.decide import Policies, decide
from regionsim.authorization.explain import explain
from regionsim.authorization.grants import GrantIndex
from regionsim.authorization.policy import Policy, PolicyKind, parse_policy
from regionsim.runtime.clock import cpu_ns
from tests.unit.authorization.cases import HOME, KEY, grant, request, user

STATEMENT_COUNT = 20
GRANT_COUNT = 50_000
TIMES = 200
BATCH = 20


def decision_costs() -> dict[str, float]:
    """Name -> microseconds of processor time, the median of many small batches."""
    parsed = [_policy(number) for number in range(TIMES)]
    compiled = [compile_policy(policy, name="key policy", kind=PolicyKind.KEY) for policy in parsed]
    grants = GrantIndex(
        grant(f"arn:aws:iam::{HOME}:role/r{number % 5_000}", "Decrypt", grant_id=f"g{number}", subset={"app": "a"})
        for number in range(GRANT_COUNT)
    )
    asked = request(
        user("u1"),
        "kms:Decrypt",
        context={"aws:sourceip": "192.0.2.7"},
        encryption_context={"app": "app-1", "tenant": "blue"},
    )
    policies = Policies(key_policy=compiled[0], grants=grants)
    denied = request(user("nobody"), "kms:Decrypt", encryption_context={"app": "app-1"})
    assert decide(asked, policies).is_allowed
    assert not decide(denied, policies).is_allowed
    return {
        "decision": _cost(lambda _: decide(asked, policies), [None] * TIMES * BATCH),
        "compile": _cost(lambda policy: compile_policy(policy, name="key policy", kind=PolicyKind.KEY), parsed),
        "first decision": _cost(lambda policy: decide(asked, Policies(key_policy=policy, grants=grants)), compiled[1:]),
        "explanation": _cost(lambda _: explain(denied, policies), [None] * TIMES),
    }


def _cost(work: Callable[[Any], object], items: list[Any]) -> float:
    costs = []
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        began_ns = cpu_ns()
        for item in batch:
            work(item)
        costs.append((cpu_ns() - began_ns) / len(batch) / 1000)
    return median(costs)


def _policy(number: int) -> Policy:
    statements = [_statement(number, at) for at in range(STATEMENT_COUNT)]
    return parse_policy({"Version": "2012-10-17", "Statement": statements}, kind=PolicyKind.KEY)


def _statement(number: int, at: int) -> dict[str, Any]:
    return {
        "Sid": f"Policy{number}Statement{at}",
        "Effect": "Allow" if at % 5 else "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{HOME}:user/u{at}"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"] if at % 2 else "kms:Describe*",
        "Resource": "*" if at % 3 else KEY,
        "Condition": {
            "StringEquals": {"kms:EncryptionContext:app": f"app-{at}"},
            "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
        },
    }
