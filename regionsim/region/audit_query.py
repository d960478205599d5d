"""Questions to a Region's audit trail: by event, key, caller, error and time."""

from __future__ import annotations

from regionsim.authorization.principals import Principal, PrincipalKind, principal_of_arn
from regionsim.names.arns import Arn
from regionsim.names.dataclass import dataclass
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.region import Region
from regionsim.region.wire import unpack_audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuestion:
    """What is asked for; None = whatever it is.

    `caller` of a role means every session of it. `error` is a code of KMS, or "" for calls that succeeded. `since_ns`
    and `until_ns` are instants (nanoseconds since 1970), both included.
    """

    event: str | None = None
    key_id: str | None = None
    caller: Principal | None = None
    error: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    def fits(self, entry: AuditEntry) -> bool:
        """True for an entry that is asked for."""
        return (
            self.event in (None, entry.event_name)
            and (self.error is None or self.error == (entry.error_code or ""))
            and (self.since_ns is None or entry.instant_ns >= self.since_ns)
            and (self.until_ns is None or entry.instant_ns <= self.until_ns)
            and (self.key_id is None or any(_names_key(arn, self.key_id) for arn in entry.resources))
            and (self.caller is None or _is_of(_caller(entry), self.caller))
        )


async def audit_entries(region: Region, question: AuditQuestion) -> list[AuditEntry]:
    """The entries that fit, in the order in which they were committed, those that wait included.

    Errors: StoreError.
    """
    await region.flush_audit()
    segments = await region.store.read_audit(since_ns=question.since_ns, until_ns=question.until_ns)
    return [entry for segment in segments for entry in unpack_audit(segment.body) if question.fits(entry)]


def _names_key(text: str, key_id: str) -> bool:
    arn = Arn.parse(text)
    return arn is not None and arn.resource == f"key/{key_id}"


def _caller(entry: AuditEntry) -> Principal | None:
    """Who called, also where KMS called on for them."""
    on_behalf_of = entry.facts.get("onBehalfOf")
    return principal_of_arn(on_behalf_of) if entry.caller is None and on_behalf_of else entry.caller


def _is_of(found: Principal | None, wanted: Principal) -> bool:
    if found is None:
        return False
    if wanted.kind is PrincipalKind.ROLE_SESSION:
        return found.role_key == wanted.role_key
    return found.arn == wanted.arn
