"""The answer to a request: the verdict, why, and what decided."""

from __future__ import annotations

from enum import StrEnum

from regionsim.names.dataclass import dataclass


class Outcome(StrEnum):
    """The verdict. Anything but `ALLOWED` is a denial."""

    ALLOWED = "Allowed"
    IMPLICITLY_DENIED = "ImplicitlyDenied"
    EXPLICITLY_DENIED = "ExplicitlyDenied"


class Code(StrEnum):
    """Why: a closed list. Source: ours."""

    ALLOW_KEY_POLICY = "ALLOW_KEY_POLICY"
    ALLOW_IAM_DELEGATED = "ALLOW_IAM_DELEGATED"
    ALLOW_CROSS_ACCOUNT = "ALLOW_CROSS_ACCOUNT"
    ALLOW_IAM = "ALLOW_IAM"
    ALLOW_GRANT = "ALLOW_GRANT"
    EXPLICIT_DENY_RESOURCE = "EXPLICIT_DENY_RESOURCE"
    EXPLICIT_DENY_IDENTITY = "EXPLICIT_DENY_IDENTITY"
    EXPLICIT_DENY_PB = "EXPLICIT_DENY_PB"
    EXPLICIT_DENY_SESSION = "EXPLICIT_DENY_SESSION"
    EXPLICIT_DENY_SCP = "EXPLICIT_DENY_SCP"
    EXPLICIT_DENY_RCP = "EXPLICIT_DENY_RCP"
    EXPLICIT_DENY_VPCE = "EXPLICIT_DENY_VPCE"
    KEY_POLICY_DOES_NOT_DELEGATE = "KEY_POLICY_DOES_NOT_DELEGATE"
    DELEGATED_BUT_NO_IAM_ALLOW = "DELEGATED_BUT_NO_IAM_ALLOW"
    NOTHING_ALLOWS = "NOTHING_ALLOWS"
    CROSS_ACCOUNT_NO_IAM_ALLOW = "CROSS_ACCOUNT_NO_IAM_ALLOW"
    CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW = "CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW"
    NOT_USABLE_CROSS_ACCOUNT = "NOT_USABLE_CROSS_ACCOUNT"
    NO_IAM_ALLOW = "NO_IAM_ALLOW"
    IMPLICIT_DENY_SCP = "IMPLICIT_DENY_SCP"
    IMPLICIT_DENY_PB = "IMPLICIT_DENY_PB"
    IMPLICIT_DENY_SESSION = "IMPLICIT_DENY_SESSION"
    IMPLICIT_DENY_VPCE = "IMPLICIT_DENY_VPCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """What decided: a statement (its policy's name, `index` counted from 1) or a grant (its id, its name as `sid`)."""

    policy_type: str
    policy: str
    sid: str | None
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Verdict, reason, and the statement or grant that decided; None when it was the lack of one."""

    outcome: Outcome
    code: Code
    deciding: Deciding | None = None

    @property
    def is_allowed(self) -> bool:
        """True for `Allowed` alone."""
        return self.outcome is Outcome.ALLOWED
