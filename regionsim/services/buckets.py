"""Buckets and what lies in them: objects under data keys of their own, or under a bucket key.

Source: S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)", "Reducing the cost of SSE-KMS with
Amazon S3 Bucket Keys". How long a bucket key lives is ours.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of
from regionsim.services.keys import ServiceKey

BUCKET_KEY_LIVES_NS = 300_000_000_000
"""AWS says "time-limited" and no more. Source: ours."""


class ReplicationStatus(StrEnum):
    """What became of an object that a rule applies to; of the copy, that it is one.

    Source: S3 User Guide, "Getting replication status information".
    """

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REPLICA = "REPLICA"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationRule:
    """Where copies of a bucket's objects go, as whom, and under which key (None: the destination's own).

    `takes_kms`: also objects under KMS keys (SseKmsEncryptedObjects), which is off by default.
    Source: S3 User Guide, "Replicating encrypted objects (SSE-S3, SSE-KMS, DSSE-KMS, SSE-C)".
    """

    role: str
    destination: str
    key: ServiceKey | None
    takes_kms: bool
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What lies beside an object: the wrapped data key, its context, and a seal that only that data key makes."""

    blob: bytes = field(repr=False)
    context: Mapping[str, str]
    seal: bytes = field(repr=False)
    key: ServiceKey
    is_under_bucket_key: bool

    def body(self, plain: bytes) -> str:
        """The object's text, for who has its data key."""
        seal, body = self.seal[:32], self.seal[32:].decode()
        assert hmac.compare_digest(seal, sealed_text(plain, body)[:32]), "KMS gives back the key that it wrapped"
        return body


@dataclass(slots=True, kw_only=True)
class BucketKey:
    """A bucket key at hand, for one requester."""

    blob: bytes = field(repr=False)
    plain: bytes = field(repr=False)
    until_ns: int


@dataclass(slots=True, kw_only=True)
class Bucket:
    """One bucket, in one Region."""

    name: str
    region: str
    account: str
    key: ServiceKey
    has_bucket_keys: bool
    rule: ReplicationRule | None = None
    objects: dict[str, Sealed] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    """Their names, each once."""
    replication: dict[str, ReplicationStatus] = field(default_factory=dict)
    to_write: dict[str, BucketKey] = field(default_factory=dict)
    """The newest bucket key of each requester."""
    at_hand: dict[tuple[str, bytes], BucketKey] = field(default_factory=dict)
    """Opened bucket keys, by requester and wrapped form."""

    @property
    def arn(self) -> str:
        return f"arn:{partition_of(self.region).name}:s3:::{self.name}"

    def context(self, name: str) -> dict[str, str]:
        """The encryption context for an object that is written now."""
        return {"aws:s3:arn": self.arn if self.has_bucket_keys else f"{self.arn}/{name}"}

    def keep(self, name: str, sealed: Sealed) -> None:
        """Store an object; it takes the place of one of that name."""
        if name not in self.objects:
            self.written.append(name)
        self.objects[name] = sealed
        self.replication.pop(name, None)


def sealed_text(plain: bytes, body: str) -> bytes:
    """A text behind what only the holder of a data key can make: stands for the object encrypted under it."""
    return hmac.digest(plain, body.encode(), "sha256") + body.encode()
