"""S3 replication: what S3 does by itself with each new object of a bucket that has a rule, as the role of that rule.

    where the object is         Decrypt   context aws:s3:arn = the object, kms:ViaService = S3 of that Region
    where its copy will be      Encrypt   of the same data key, context aws:s3:arn = the copy, kms:ViaService = S3 there
    ... with bucket keys there  GenerateDataKey and Decrypt of a bucket key, context = the bucket

A refusal of KMS makes the object FAILED, and S3 does not try it again: only a new upload or S3 Batch Replication does.
A related multi-Region key is no short cut, S3 takes it for a key of its Region.

Source: S3 User Guide, "Replicating encrypted objects (SSE-S3, SSE-KMS, DSSE-KMS, SSE-C)", "Getting replication status
information", "Amazon S3 replication failure reasons". When S3 begins, and for how long it tries again while KMS gives
no answer or throttles, is ours: AWS says that most objects take less than 15 minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from regionsim.accounts.assuming import AssumeRole, AssumeRoleRefusal, assume_role
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.names.arns import role_arn
from regionsim.names.regions import partition_of
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.services.buckets import (
    BUCKET_KEY_LIVES_NS,
    Bucket,
    BucketKey,
    ReplicationRule,
    ReplicationStatus,
    Sealed,
    sealed_text,
)
from regionsim.services.door import KmsDoor, KmsFailure
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises

BEGINS_AFTER_NS = 1_000_000_000
FIRST_PAUSE_NS = 30_000_000_000
LONGEST_PAUSE_NS = 900_000_000_000
GIVES_UP_AFTER_NS = 24 * 3_600_000_000_000

_SESSION = "s3-replication"
_STATES = ("DisabledException", "KMSInvalidStateException")


class _NotReplicated(Exception):
    """An attempt that came to nothing, with S3's reason; `may_come`: it is worth another one."""

    def __init__(self, reason: str, *, may_come: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_come = may_come


class Replication:
    """The rules of all buckets at work."""

    def __init__(
        self, premises: Premises, buckets: Mapping[str, Bucket], door: Callable[[Principal, str], KmsDoor]
    ) -> None:
        self._premises = premises
        self._buckets = buckets
        self._door = door

    def take_up(self, bucket: Bucket, name: str) -> None:
        """Begin to replicate a new object, where a rule applies to it."""
        rule = bucket.rule
        if rule is not None and name.startswith(rule.prefix) and (rule.takes_kms or bucket.objects[name].key.is_owned):
            self._begin(bucket, rule, name)

    def take_up_again(self, bucket: Bucket, rule: ReplicationRule, wanted: Collection[str]) -> int:
        """What S3 Batch Replication does: begin with all objects in one of these states ("NONE": never taken up)."""
        names = [name for name in bucket.written if bucket.replication.get(name, "NONE") in wanted]
        for name in names:
            self._begin(bucket, rule, name)
        return len(names)

    def _begin(self, bucket: Bucket, rule: ReplicationRule, name: str) -> None:
        bucket.replication[name] = ReplicationStatus.PENDING
        work = self._replicate(bucket, rule, name, bucket.objects[name])
        self._premises.begin(work, name=f"s3-replication/{bucket.name}")

    async def _replicate(self, bucket: Bucket, rule: ReplicationRule, name: str, sealed: Sealed) -> None:
        until_ns, pause_ns = now_ns() + GIVES_UP_AFTER_NS, FIRST_PAUSE_NS
        await sleep(BEGINS_AFTER_NS)
        while bucket.objects[name] is sealed:  # else there is a newer one, with a copy of its own
            key = ""
            try:
                key = await self._attempt(bucket, rule, name, sealed)
            except _NotReplicated as attempt:
                if attempt.may_come and now_ns() + pause_ns <= until_ns:
                    self._tell(bucket, rule, ReplicationStatus.PENDING, attempt.reason)
                    await sleep(pause_ns)
                    pause_ns = min(2 * pause_ns, LONGEST_PAUSE_NS)
                    continue
                bucket.replication[name] = ReplicationStatus.FAILED
                self._tell(bucket, rule, ReplicationStatus.FAILED, attempt.reason)
                return
            bucket.replication[name] = ReplicationStatus.COMPLETED
            self._premises.board.well("s3", bucket.region, _route(bucket, rule), ReplicationStatus.COMPLETED, key)
            return

    def _tell(self, bucket: Bucket, rule: ReplicationRule, status: ReplicationStatus, reason: str) -> None:
        board, route = self._premises.board, _route(bucket, rule)
        key = rule.key.identifier.rpartition(":key/")[2] if rule.key is not None else ""
        if board.state("s3", bucket.region, route) is None:
            board.well("s3", bucket.region, route, ReplicationStatus.PENDING, key)
        board.ill("s3", bucket.region, route, status, key, reason)

    async def _attempt(self, bucket: Bucket, rule: ReplicationRule, name: str, sealed: Sealed) -> str:
        """Make the copy; the key that it is under. Errors: _NotReplicated."""
        there = self._buckets.get(rule.destination)
        if there is None:
            raise _NotReplicated("DstBucketNotFound")
        role = self._role(bucket, rule)
        source, target = self._door(role, bucket.region), self._door(role, there.region)
        key = rule.key or there.key
        try:
            plain = await _opened(source, sealed)
            copy = await _wrapped(target, there, key, name, plain, sealed.body(plain))
        except KmsFailure as failure:
            raise _reason(failure, at_source=not target.calls) from None
        finally:
            self._premises.tell_tries((*source.tries, *target.tries))
        there.keep(name, copy)
        there.replication[name] = ReplicationStatus.REPLICA
        return target.key

    def _role(self, bucket: Bucket, rule: ReplicationRule) -> Principal:
        """The session of the rule's role that S3 gets now: STS asks the role's trust policy, where it has one."""
        simulation, partition = self._premises.simulation, partition_of(bucket.region).name
        directory, name = simulation.regions[bucket.region].directory, rule.role.rpartition("/")[2]
        role = directory.find_role(bucket.account, name)
        if role is None:
            raise _NotReplicated("AssumeRoleNotPermitted")
        if role.trust is None:
            return directory.session(bucket.account, name, _SESSION, partition=partition)
        service = Principal(kind=PrincipalKind.SERVICE, arn="s3.amazonaws.com", account="", name="s3.amazonaws.com")
        arn = role_arn(bucket.account, name, path=role.path, partition=partition)
        values = {"aws:SourceAccount": bucket.account, "aws:SourceArn": bucket.arn}
        found = assume_role(directory, service, AssumeRole(role_arn=arn, session_name=_SESSION, values=values))
        if isinstance(found, AssumeRoleRefusal):
            raise _NotReplicated("AssumeRoleNotPermitted")
        return found


def _route(bucket: Bucket, rule: ReplicationRule) -> str:
    return f"{bucket.name} to {rule.destination}"


def _reason(failure: KmsFailure, *, at_source: bool) -> _NotReplicated:
    """S3's reason. Source: S3 User Guide, "Amazon S3 replication failure reasons"; there is none for a Decrypt that the
    role has no permission for, nor for a source key that is gone: those are UNVERIFIED."""
    if failure.is_failure or failure.code == "ThrottlingException":
        return _NotReplicated(failure.code, may_come=True)
    if at_source:
        is_state = failure.code in (*_STATES, "NotFoundException")
        return _NotReplicated("SrcKmsKeyInvalidState" if is_state else "SrcGetObjectNotPermitted")
    if failure.code == "NotFoundException":
        return _NotReplicated("DstKmsKeyNotFound")
    return _NotReplicated("DstKmsKeyInvalidState" if failure.code in _STATES else "DstPutObjectNotPermitted")


async def _opened(door: KmsDoor, sealed: Sealed) -> bytes:
    opened = await door.use(
        sealed.key,
        "Decrypt",
        source_arn=sealed.context["aws:s3:arn"],
        CiphertextBlob=sealed.blob,
        EncryptionContext=dict(sealed.context),
    )
    plain: bytes = opened["Plaintext"]
    return plain


async def _wrapped(door: KmsDoor, there: Bucket, key: ServiceKey, name: str, plain: bytes, body: str) -> Sealed:
    """The copy: its data key wrapped under the key of its Region, or under a bucket key of its bucket."""
    context = there.context(name)
    if there.has_bucket_keys:
        held = await _bucket_key(door, there, key, context)
        blob, plain = held.blob, held.plain
    else:
        made = await door.use(
            key,
            "Encrypt",
            source_arn=context["aws:s3:arn"],
            KeyId=key.identifier,
            Plaintext=plain,
            EncryptionContext=context,
        )
        blob = made["CiphertextBlob"]
    return Sealed(
        blob=blob,
        context=context,
        seal=sealed_text(plain, body),
        key=key,
        is_under_bucket_key=there.has_bucket_keys,
    )


async def _bucket_key(door: KmsDoor, there: Bucket, key: ServiceKey, context: Mapping[str, str]) -> BucketKey:
    """The bucket key of the role, made and looked into where none is at hand.

    Source: S3 User Guide, "Using an S3 Bucket Key with replication": kms:Decrypt is for the integrity of the key.
    """
    who, arn = f"{door.user.arn} {key.identifier}", context["aws:s3:arn"]
    held = there.to_write.get(who)
    if held is None or held.until_ns <= now_ns():
        given: dict[str, Any] = {"EncryptionContext": dict(context), "source_arn": arn}
        made = await door.use(key, "GenerateDataKey", KeyId=key.identifier, KeySpec="AES_256", **given)
        await door.use(key, "Decrypt", CiphertextBlob=made["CiphertextBlob"], **given)
        until_ns = now_ns() + BUCKET_KEY_LIVES_NS
        held = BucketKey(blob=made["CiphertextBlob"], plain=made["Plaintext"], until_ns=until_ns)
        there.to_write[who] = held
    return held
