"""What the audit trail keeps of a call, or of what KMS did by itself.

An entry is small and is stored packed; the record in AWS's shape (`audit_record`) is made when somebody reads the
trail.
Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the trail. `caller` is None for what KMS did by itself.

    `parameters` are the recorded ones under AWS's parameter names, never a secret. `facts` are members of the record,
    and of what KMS called itself also `invokedBy`, `onBehalfOf`, `requestID`, `namesKey` (`kms.writes.InternalCall`).
    `recipients` are the accounts whose trail gets the record: the caller's and the key owner's.
    """

    event_name: str
    instant_ns: int
    region: str
    request_id: str
    recipients: tuple[str, ...]
    caller: Principal | None = None
    source_ip: str = ""
    user_agent: str = ""
    is_read_only: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    error_code: str | None = None
    error_message: str = ""
