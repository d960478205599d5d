"""Amazon S3 with server-side encryption: SSE-KMS with and without bucket keys, and DSSE-KMS.

    PutObject                GenerateDataKey   for the requester, context aws:s3:arn = the object
    GetObject                Decrypt           for the requester, the same context
    CopyObject               Decrypt, GenerateDataKey
    CreateMultipartUpload    GenerateDataKey;  UploadPart, CompleteMultipartUpload: Decrypt
    PutBucketReplication     nothing, not even for a key that is not there; then see `s3_replication`
    CreateJob                S3 Batch Replication, for what the rule has not replicated

With bucket keys the context is the bucket's ARN, and KMS is asked once for each requester and bucket key: what is at
hand checks no policy and leaves no record. Objects from before keep their own data keys.

Source: S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)", "Reducing the cost of SSE-KMS with
Amazon S3 Bucket Keys", "Using dual-layer server-side encryption (DSSE-KMS)"; S3 API Reference, PutBucketReplication,
HeadObject. The text about a rule that names a key and does not say whether it is for KMS objects is UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.buckets import (
    BUCKET_KEY_LIVES_NS,
    Bucket,
    BucketKey,
    ReplicationRule,
    Sealed,
    sealed_text,
)
from regionsim.services.door import KmsFailure
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.s3_replication import Replication
from regionsim.services.service import Asked, Handler, Load, Service, ServiceError, Takes

_PUT_SHARE = 0.4
"""Of a workload's requests; the others read. Source: ours."""

_DUAL = "aws:kms:dsse"


class S3(Service):
    """Buckets with a default key each."""

    name = "s3"
    via = "s3"
    managed = "s3"
    offers_owned = True
    takes = MappingProxyType(
        {
            "CreateBucket": Takes(("Bucket",), ("KMSMasterKeyID", "SSEAlgorithm", "BucketKeyEnabled")),
            "PutBucketEncryption": Takes(("Bucket",), ("KMSMasterKeyID", "SSEAlgorithm", "BucketKeyEnabled")),
            "PutObject": Takes(("Bucket", "Key"), ("Body",)),
            "GetObject": Takes(("Bucket", "Key")),
            "CopyObject": Takes(("Bucket", "Key", "CopySource")),
            "CreateMultipartUpload": Takes(("Bucket", "Key")),
            "UploadPart": Takes(("Bucket", "Key")),
            "CompleteMultipartUpload": Takes(("Bucket", "Key")),
            "HeadObject": Takes(("Bucket", "Key")),
            "PutBucketReplication": Takes(
                ("Bucket", "Role", "DestinationBucket"), ("ReplicaKmsKeyID", "SseKmsEncryptedObjects", "Prefix")
            ),
            "CreateJob": Takes(("Bucket",), ("ObjectReplicationStatuses",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._buckets = premises.buckets
        self._replication = Replication(premises, self._buckets, self.door)

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateBucket": self._create_bucket,
            "PutBucketEncryption": self._put_encryption,
            "PutObject": self._put,
            "GetObject": self._get,
            "CopyObject": self._copy,
            "CreateMultipartUpload": self._begin_upload,
            "UploadPart": self._get,
            "CompleteMultipartUpload": self._end_upload,
            "HeadObject": self._head,
            "PutBucketReplication": self._put_replication,
            "CreateJob": self._create_job,
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
        self._buckets[name] = Bucket(
            name=name, region=asked.region, account=asked.user.account, key=key, has_bucket_keys=has_bucket_keys
        )
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

    def _bucket(self, asked: Asked, name: str | None = None) -> Bucket:
        found = self._buckets.get(name or asked.text("Bucket"))
        if found is None:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        if found.region != asked.region:
            raise ServiceError("PermanentRedirect", f"The bucket is in {found.region}.")
        return found

    # Replication.

    async def _put_replication(self, asked: Asked) -> dict[str, Any]:
        bucket, key = self._bucket(asked), asked.optional("ReplicaKmsKeyID")
        takes_kms = asked.optional("SseKmsEncryptedObjects")
        if key is not None and takes_kms is None:
            said = "SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present."
            raise ServiceError("InvalidRequest", said)
        if key is None and takes_kms == "Enabled":
            said = "ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present."
            raise ServiceError("InvalidRequest", said)
        bucket.rule = ReplicationRule(
            role=asked.text("Role"),
            destination=asked.text("DestinationBucket"),
            key=None if key is None else self.key(asked, "ReplicaKmsKeyID"),
            takes_kms=takes_kms == "Enabled",
            prefix=asked.optional("Prefix") or "",
        )
        return {}

    async def _create_job(self, asked: Asked) -> dict[str, Any]:
        bucket = self._bucket(asked)
        if bucket.rule is None:
            raise ServiceError("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
        wanted = asked.given.get("ObjectReplicationStatuses") or ["FAILED", "NONE"]
        count = self._replication.take_up_again(bucket, bucket.rule, wanted)
        return {"State": "Active", "TotalNumberOfTasks": count}

    # Objects.

    async def _put(self, asked: Asked) -> dict[str, Any]:
        told = await self._begin_upload(asked)
        self._replication.take_up(self._bucket(asked), asked.text("Key"))
        return told

    async def _begin_upload(self, asked: Asked) -> dict[str, Any]:
        bucket, name = self._bucket(asked), asked.text("Key")
        bucket.keep(name, await self._sealed(asked, bucket, name, asked.optional("Body") or name))
        return {"ServerSideEncryption": "AES256" if bucket.key.is_owned else "aws:kms"}

    async def _end_upload(self, asked: Asked) -> dict[str, Any]:
        await self._get(asked)
        self._replication.take_up(self._bucket(asked), asked.text("Key"))
        return {}

    async def _head(self, asked: Asked) -> dict[str, Any]:
        bucket, name = self._bucket(asked), asked.text("Key")
        sealed = _object(bucket, name)
        told: dict[str, Any] = {"ServerSideEncryption": "AES256" if sealed.key.is_owned else "aws:kms"}
        if name in bucket.replication:
            told["ReplicationStatus"] = bucket.replication[name].value
        return told

    async def _get(self, asked: Asked) -> dict[str, Any]:
        return {"Body": await self._opened(asked, self._bucket(asked), asked.text("Key"))}

    async def _copy(self, asked: Asked) -> dict[str, Any]:
        source, _, source_name = asked.text("CopySource").partition("/")
        body = await self._opened(asked, self._bucket(asked, source), source_name)
        bucket, name = self._bucket(asked), asked.text("Key")
        bucket.keep(name, await self._sealed(asked, bucket, name, body))
        self._replication.take_up(bucket, name)
        return {}

    async def _sealed(self, asked: Asked, bucket: Bucket, name: str, body: str) -> Sealed:
        context = bucket.context(name)
        if bucket.has_bucket_keys:
            held = await self._bucket_key(asked, bucket, context)
            blob, plain = held.blob, held.plain
        else:
            blob, plain = await _data_key(asked, bucket.key, context)
        return Sealed(
            blob=blob,
            context=context,
            seal=sealed_text(plain, body),
            key=bucket.key,
            is_under_bucket_key=bucket.has_bucket_keys,
        )

    async def _opened(self, asked: Asked, bucket: Bucket, name: str) -> str:
        sealed = _object(bucket, name)
        held = bucket.at_hand.get((asked.user.arn, sealed.blob))
        if held is not None and held.until_ns > now_ns():
            plain = held.plain
        else:
            plain = await self._decrypted(asked, bucket, sealed)
        return sealed.body(plain)

    async def _decrypted(self, asked: Asked, bucket: Bucket, sealed: Sealed) -> bytes:
        opened = await asked.kms.use(
            sealed.key,
            "Decrypt",
            source_arn=sealed.context["aws:s3:arn"],
            CiphertextBlob=sealed.blob,
            EncryptionContext=dict(sealed.context),
        )
        plain: bytes = opened["Plaintext"]
        if sealed.is_under_bucket_key:  # it stays at hand
            held = BucketKey(blob=sealed.blob, plain=plain, until_ns=now_ns() + BUCKET_KEY_LIVES_NS)
            bucket.at_hand[asked.user.arn, sealed.blob] = held
        return plain

    async def _bucket_key(self, asked: Asked, bucket: Bucket, context: Mapping[str, str]) -> BucketKey:
        held = bucket.to_write.get(asked.user.arn)
        if held is None or held.until_ns <= now_ns():
            blob, plain = await _data_key(asked, bucket.key, context)
            held = BucketKey(blob=blob, plain=plain, until_ns=now_ns() + BUCKET_KEY_LIVES_NS)
            bucket.to_write[asked.user.arn] = bucket.at_hand[asked.user.arn, blob] = held
        return held


def _object(bucket: Bucket, name: str) -> Sealed:
    found = bucket.objects.get(name)
    if found is None:
        raise ServiceError("NoSuchKey", "The specified key does not exist.")
    return found


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
