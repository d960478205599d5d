"""Amazon S3 with server-side encryption: SSE-KMS with and without bucket keys, and DSSE-KMS.

    PutObject                GenerateDataKey   for the requester, context aws:s3:arn = the object
    GetObject                Decrypt           for the requester, the same context
    CopyObject               Decrypt, GenerateDataKey
    CreateMultipartUpload    GenerateDataKey;  UploadPart: Decrypt
    ReplicateObject          Decrypt here, GenerateDataKey in the destination's Region, related keys or not

With bucket keys the context is the bucket's ARN, and KMS is asked once for each requester and bucket key: what is at
hand checks no policy and leaves no record. Objects from before keep their own data keys.

Source: S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)", "Reducing the cost of SSE-KMS with
Amazon S3 Bucket Keys", "Using dual-layer server-side encryption (DSSE-KMS)". How long a bucket key lives is ours.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from regionsim.names.regions import partition_of
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsFailure
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, Service, ServiceError, Takes

BUCKET_KEY_LIVES_NS = 300_000_000_000
"""AWS says "time-limited" and no more. Source: ours."""

_PUT_SHARE = 0.4
"""Of a workload's requests; the others read. Source: ours."""

_DUAL = "aws:kms:dsse"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """What lies beside an object: the wrapped data key, its context, and a seal that only that data key makes."""

    blob: bytes = field(repr=False)
    context: Mapping[str, str]
    seal: bytes = field(repr=False)
    key: ServiceKey
    is_under_bucket_key: bool


@dataclass(slots=True, kw_only=True)
class _BucketKey:
    """A bucket key at hand, for one requester."""

    blob: bytes = field(repr=False)
    plain: bytes = field(repr=False)
    until_ns: int


@dataclass(slots=True, kw_only=True)
class _Bucket:
    region: str
    key: ServiceKey
    has_bucket_keys: bool
    objects: dict[str, _Sealed] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    """Their names, each once."""
    to_write: dict[str, _BucketKey] = field(default_factory=dict)
    """The newest bucket key of each requester."""
    at_hand: dict[tuple[str, bytes], _BucketKey] = field(default_factory=dict)
    """Opened bucket keys, by requester and wrapped form."""

    def keep(self, name: str, sealed: _Sealed) -> None:
        """Store an object; it takes the place of one of that name."""
        if name not in self.objects:
            self.written.append(name)
        self.objects[name] = sealed


class S3(Service):
    """Buckets with a default key each."""

    name = "s3"
    via = "s3"
    managed = "s3"
    takes = MappingProxyType(
        {
            "CreateBucket": Takes(("Bucket",), ("KMSMasterKeyID", "SSEAlgorithm", "BucketKeyEnabled")),
            "PutBucketEncryption": Takes(("Bucket",), ("KMSMasterKeyID", "SSEAlgorithm", "BucketKeyEnabled")),
            "PutObject": Takes(("Bucket", "Key"), ("Body",)),
            "GetObject": Takes(("Bucket", "Key")),
            "CopyObject": Takes(("Bucket", "Key", "CopySource")),
            "CreateMultipartUpload": Takes(("Bucket", "Key")),
            "UploadPart": Takes(("Bucket", "Key")),
            "ReplicateObject": Takes(("Bucket", "Key", "DestinationBucket")),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._buckets: dict[str, _Bucket] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateBucket": self._create_bucket,
            "PutBucketEncryption": self._put_encryption,
            "PutObject": self._put,
            "GetObject": self._get,
            "CopyObject": self._copy,
            "CreateMultipartUpload": self._put,
            "UploadPart": self._get,
            "ReplicateObject": self._replicate,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        enabled = given.get("bucket_keys", False)
        setting = {"Bucket": workload, "BucketKeyEnabled": enabled, "KMSMasterKeyID": given.get("key")}
        return [Load("CreateBucket", setting), Load("PutObject", {"Bucket": workload, "Key": "0"})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        if stream.random() < _PUT_SHARE:
            return Load("PutObject", {"Bucket": workload, "Key": str(number)})
        written = self._buckets[workload].written if workload in self._buckets else []
        name = written[int(stream.random() * len(written))] if written else "0"
        return Load("GetObject", {"Bucket": workload, "Key": name})

    def error_of(self, failure: KmsFailure) -> ServiceError:
        if failure.is_failure:
            return ServiceError("ServiceUnavailable", "Reduce your request rate.", is_failure=True)
        if failure.code == "AccessDeniedException":
            return ServiceError("AccessDenied", failure.message)
        return ServiceError(f"KMS.{failure.code}", failure.message)

    # Buckets.

    async def _create_bucket(self, asked: Asked) -> dict[str, Any]:
        name = asked.text("Bucket")
        if name in self._buckets:
            raise ServiceError("BucketAlreadyExists", "The requested bucket name is not available.")
        key, has_bucket_keys = self._encryption(asked)
        self._buckets[name] = _Bucket(region=asked.region, key=key, has_bucket_keys=has_bucket_keys)
        return {"Location": f"/{name}"}

    async def _put_encryption(self, asked: Asked) -> dict[str, Any]:
        bucket = self._bucket(asked)
        bucket.key, bucket.has_bucket_keys = self._encryption(asked)
        bucket.to_write.clear()
        return {}

    def _encryption(self, asked: Asked) -> tuple[ServiceKey, bool]:
        has_bucket_keys = asked.is_on("BucketKeyEnabled")
        if asked.optional("SSEAlgorithm") == _DUAL and has_bucket_keys:
            raise ServiceError("InvalidArgument", "Bucket Key is not supported for DSSE-KMS.")
        return self.key(asked, "KMSMasterKeyID"), has_bucket_keys

    def _bucket(self, asked: Asked, name: str | None = None) -> _Bucket:
        found = self._buckets.get(name or asked.text("Bucket"))
        if found is None:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        if found.region != asked.region:
            raise ServiceError("PermanentRedirect", f"The bucket is in {found.region}.")
        return found

    # Objects.

    async def _put(self, asked: Asked) -> dict[str, Any]:
        bucket, name = self._bucket(asked), asked.text("Key")
        sealed = await self._sealed(asked, bucket, name, asked.optional("Body") or name)
        bucket.keep(name, sealed)
        return {"ServerSideEncryption": "AES256" if bucket.key.is_owned else "aws:kms"}

    async def _get(self, asked: Asked) -> dict[str, Any]:
        return {"Body": await self._opened(asked, self._bucket(asked), asked.text("Key"))}

    async def _copy(self, asked: Asked) -> dict[str, Any]:
        source, _, source_name = asked.text("CopySource").partition("/")
        body = await self._opened(asked, self._bucket(asked, source), source_name)
        bucket, name = self._bucket(asked), asked.text("Key")
        bucket.keep(name, await self._sealed(asked, bucket, name, body))
        return {}

    async def _replicate(self, asked: Asked) -> dict[str, Any]:
        """What S3 does by itself with a new object, as the role that the replication rule names."""
        name, other = asked.text("Key"), asked.text("DestinationBucket")
        body = await self._opened(asked, self._bucket(asked), name)
        destination = self._buckets.get(other)
        if destination is None:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        arn = f"{_bucket_arn(destination.region, other)}/{name}"
        context = {"aws:s3:arn": arn}
        made = await asked.kms.use(
            destination.key,
            "GenerateDataKey",
            source_arn=arn,
            at=destination.region,
            KeyId=destination.key.identifier,
            KeySpec="AES_256",
            EncryptionContext=context,
        )
        seal = _seal(made["Plaintext"], body) + body.encode()
        kept = _Sealed(
            blob=made["CiphertextBlob"], context=context, seal=seal, key=destination.key, is_under_bucket_key=False
        )
        destination.keep(name, kept)
        return {"State": "REPLICA"}

    async def _sealed(self, asked: Asked, bucket: _Bucket, name: str, body: str) -> _Sealed:
        bucket_arn = _bucket_arn(asked.region, asked.text("Bucket"))
        if bucket.has_bucket_keys:
            context = {"aws:s3:arn": bucket_arn}
            held = await self._bucket_key(asked, bucket, context)
            blob, plain = held.blob, held.plain
        else:
            context = {"aws:s3:arn": f"{bucket_arn}/{name}"}
            blob, plain = await _data_key(asked, bucket.key, context)
        return _Sealed(
            blob=blob,
            context=context,
            seal=_seal(plain, body) + body.encode(),
            key=bucket.key,
            is_under_bucket_key=bucket.has_bucket_keys,
        )

    async def _opened(self, asked: Asked, bucket: _Bucket, name: str) -> str:
        sealed = bucket.objects.get(name)
        if sealed is None:
            raise ServiceError("NoSuchKey", "The specified key does not exist.")
        held = bucket.at_hand.get((asked.user.arn, sealed.blob))
        if held is not None and held.until_ns > now_ns():
            plain = held.plain
        else:
            plain = await self._decrypted(asked, bucket, sealed)
        seal, body = sealed.seal[:32], sealed.seal[32:].decode()
        assert hmac.compare_digest(seal, _seal(plain, body)), "KMS gives back the key that it wrapped"
        return body

    async def _decrypted(self, asked: Asked, bucket: _Bucket, sealed: _Sealed) -> bytes:
        opened = await asked.kms.use(
            sealed.key,
            "Decrypt",
            source_arn=sealed.context["aws:s3:arn"],
            CiphertextBlob=sealed.blob,
            EncryptionContext=dict(sealed.context),
        )
        plain: bytes = opened["Plaintext"]
        if sealed.is_under_bucket_key:  # it stays at hand
            held = _BucketKey(blob=sealed.blob, plain=plain, until_ns=now_ns() + BUCKET_KEY_LIVES_NS)
            bucket.at_hand[asked.user.arn, sealed.blob] = held
        return plain

    async def _bucket_key(self, asked: Asked, bucket: _Bucket, context: Mapping[str, str]) -> _BucketKey:
        held = bucket.to_write.get(asked.user.arn)
        if held is None or held.until_ns <= now_ns():
            blob, plain = await _data_key(asked, bucket.key, context)
            held = _BucketKey(blob=blob, plain=plain, until_ns=now_ns() + BUCKET_KEY_LIVES_NS)
            bucket.to_write[asked.user.arn] = bucket.at_hand[asked.user.arn, blob] = held
        return held


def _bucket_arn(region: str, bucket: str) -> str:
    return f"arn:{partition_of(region).name}:s3:::{bucket}"


async def _data_key(asked: Asked, key: ServiceKey, context: Mapping[str, str]) -> tuple[bytes, bytes]:
    """A data key, wrapped and plain."""
    made = await asked.kms.use(
        key,
        "GenerateDataKey",
        source_arn=context["aws:s3:arn"],
        KeyId=key.identifier,
        KeySpec="AES_256",
        EncryptionContext=dict(context),
    )
    return made["CiphertextBlob"], made["Plaintext"]


def _seal(plain: bytes, body: str) -> bytes:
    """What only the holder of a data key can make: stands for the object encrypted under it."""
    return hmac.digest(plain, body.encode(), "sha256")
