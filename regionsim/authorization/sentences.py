"""A denial in AWS's own words, so that what clients match on stays true.

Source: IAM User Guide, "Troubleshoot access denied error messages"; observed: which kind of policy KMS names, and the
texts for another account's key.
"""

from __future__ import annotations

from regionsim.authorization.decision import Code, Decision
from regionsim.authorization.request import Request, ResourceKind

_EXPLICIT = {
    Code.EXPLICIT_DENY_RESOURCE: "a resource-based policy",
    Code.EXPLICIT_DENY_IDENTITY: "an identity-based policy",
    Code.EXPLICIT_DENY_PB: "a permissions boundary",
    Code.EXPLICIT_DENY_SESSION: "a session policy",
    Code.EXPLICIT_DENY_SCP: "a service control policy",
    Code.EXPLICIT_DENY_RCP: "a resource control policy",
    Code.EXPLICIT_DENY_VPCE: "a VPC endpoint policy",
    # AWS words a level without an Allow as an explicit deny.
    Code.IMPLICIT_DENY_SCP: "a service control policy",
}
_IMPLICIT = {
    Code.NOTHING_ALLOWS: "resource-based policy",
    Code.KEY_POLICY_DOES_NOT_DELEGATE: "resource-based policy",
    Code.DELEGATED_BUT_NO_IAM_ALLOW: "identity-based policy",
    Code.CROSS_ACCOUNT_NO_IAM_ALLOW: "identity-based policy",
    Code.NO_IAM_ALLOW: "identity-based policy",
    Code.IMPLICIT_DENY_PB: "permissions boundary",
    Code.IMPLICIT_DENY_SESSION: "session policy",
    Code.IMPLICIT_DENY_VPCE: "VPC endpoint policy",
}
_FOREIGN = frozenset({Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW, Code.NOT_USABLE_CROSS_ACCOUNT})
_FOREIGN_TAIL = (
    "because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)


def aws_message(request: Request, decision: Decision, *, names_ciphertext: bool = False) -> str:
    """The text of AWS's AccessDeniedException for a denial.

    `names_ciphertext`: the call named no key, only a ciphertext (Decrypt, ReEncrypt without KeyId).
    """
    assert not decision.is_allowed, "only a denial has a message"
    beginning = f"User: {request.principal.arn} is not authorized to perform: {request.action}"
    if request.kind is ResourceKind.ROLE:
        return " ".join(
            filter(None, (beginning, f"on resource: {request.resource}", _tail_about_role(request, decision)))
        )
    is_foreign = decision.code in _FOREIGN or (
        decision.code is Code.EXPLICIT_DENY_RESOURCE and request.principal.account != request.resource_account
    )
    if names_ciphertext:
        place = "on the resource associated with this ciphertext"
    elif is_foreign:
        place = "on this resource"
    else:
        place = f"on resource: {request.resource}"
    return f"{beginning} {place} {_FOREIGN_TAIL if is_foreign else _tail(request.action, decision)}"


def _tail(action: str, decision: Decision) -> str:
    if decision.code in _IMPLICIT:
        return f"because no {_IMPLICIT[decision.code]} allows the {action} action"
    deciding = decision.deciding
    # Since 2026 AWS names the policy's ARN, which only a policy of its own (not an inline one, not a key policy) has.
    named = f": {deciding.policy}" if deciding is not None and deciding.policy.startswith("arn:") else ""
    return f"with an explicit deny in {_EXPLICIT[decision.code]}{named}"


def _tail_about_role(request: Request, decision: Decision) -> str:
    """What STS says of a trust policy; to callers of other accounts nothing (observed)."""
    is_foreign = request.principal.account != request.resource_account
    match decision.code:
        case Code.EXPLICIT_DENY_RESOURCE:
            return "" if is_foreign else "with an explicit deny in the role trust policy"
        case Code.NOTHING_ALLOWS | Code.KEY_POLICY_DOES_NOT_DELEGATE | Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW:
            return "" if is_foreign else f"because no role trust policy allows the {request.action} action"
        case _:
            return _tail(request.action, decision)


def summary(decision: Decision) -> str:
    """Verdict and cause in one line, for people. Source: ours."""
    text = _SUMMARIES[decision.code]
    deciding = decision.deciding
    if deciding is None:
        return text
    named = f' "{deciding.sid}"' if deciding.sid else ""
    if deciding.policy_type == "grant":
        return f"{text} ({deciding.policy})"
    return f"{text} ({deciding.policy}, statement {deciding.index}{named})"


_SUMMARIES = {
    Code.ALLOW_KEY_POLICY: "The key policy names the caller and allows this.",
    Code.ALLOW_IAM_DELEGATED: "The key policy hands decisions to IAM, and IAM allows this.",
    Code.ALLOW_CROSS_ACCOUNT: "The key policy lets this other account in, and IAM there allows this.",
    Code.ALLOW_IAM: "IAM allows this; no key policy has a say.",
    Code.ALLOW_GRANT: "A grant allows this.",
    Code.EXPLICIT_DENY_RESOURCE: "The key policy denies this explicitly.",
    Code.EXPLICIT_DENY_IDENTITY: "An identity policy of the caller denies this explicitly.",
    Code.EXPLICIT_DENY_PB: "The caller's permissions boundary denies this explicitly.",
    Code.EXPLICIT_DENY_SESSION: "The session's own policy denies this explicitly.",
    Code.EXPLICIT_DENY_SCP: "A service control policy denies this explicitly.",
    Code.EXPLICIT_DENY_RCP: "A resource control policy denies this explicitly.",
    Code.EXPLICIT_DENY_VPCE: "The VPC endpoint's policy denies this explicitly.",
    Code.KEY_POLICY_DOES_NOT_DELEGATE: "IAM allows this, but the key policy does not hand decisions to IAM.",
    Code.DELEGATED_BUT_NO_IAM_ALLOW: "The key policy hands decisions to IAM, but no identity policy allows this.",
    Code.NOTHING_ALLOWS: "Neither the key policy nor IAM nor a grant allows this.",
    Code.CROSS_ACCOUNT_NO_IAM_ALLOW: "The key policy lets this other account in, but no identity policy there allows "
    "this.",
    Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW: "The key is another account's, and its key policy does not let the caller "
    "in.",
    Code.NOT_USABLE_CROSS_ACCOUNT: "This operation cannot be used on another account's resource at all.",
    Code.NO_IAM_ALLOW: "No identity policy allows this.",
    Code.IMPLICIT_DENY_SCP: "A level of service control policies does not allow this.",
    Code.IMPLICIT_DENY_PB: "The caller's permissions boundary does not allow this.",
    Code.IMPLICIT_DENY_SESSION: "The session's own policy does not allow this.",
    Code.IMPLICIT_DENY_VPCE: "The VPC endpoint's policy does not allow this.",
}
