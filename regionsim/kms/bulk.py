"""Keys that are there before a world begins to run, as a plan."""

from __future__ import annotations

from dataclasses import field

from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkKeys:
    """So many KMS keys of one kind.

    `primary` is the Region of a single-Region key, too; `replicas` are the Regions of the replicas. `alias` is one for
    each key, or empty. `rotation_days` None: no automatic rotation. `policy` None: the default key policy.
    Source: ours.
    """

    count: int
    spec: KeySpec
    usage: KeyUsage
    account: str
    is_multi_region: bool
    primary: str
    replicas: tuple[str, ...]
    aliases: tuple[str, ...]
    names: tuple[str, ...]
    """What scenarios call each key, or empty."""
    rotation_days: int | None
    policy: str | None = field(repr=False)

    @property
    def regions(self) -> tuple[str, ...]:
        """Every Region that has these keys, the primary's first."""
        return (self.primary, *self.replicas)
