"""Keys that AWS has for its services: AWS managed keys in a customer's account, AWS owned keys in one of AWS's own.

Neither is made by anybody's CreateKey. The first call that is let use one makes it: a call through its service that
names the predefined alias, a DescribeKey of that alias, or a call of the service in its own name.

An AWS managed key (`alias/aws/s3`) is seen by its account and changed by nobody: its policy gives the account's root no
more than to look and to revoke grants, and everybody else of the account only what comes through the service. An AWS
owned key serves a service for all accounts, and is in none of theirs.

Source: KMS Developer Guide, "AWS KMS keys: AWS managed keys, AWS owned keys"; the policies as AWS shows
those of Secrets Manager and DynamoDB. The descriptions of less known keys, and the account and the alias of AWS owned
keys, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import BackingKeyCreated, CreateBackingKey
from regionsim.kms.internal_calls import managed_key_creation
from regionsim.kms.key import Alias, KeyOwner, KeyState, KmsKey, RegionalProperties, SharedProperties
from regionsim.kms.key_policies import shown
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.operations.lifecycle import with_first_material
from regionsim.kms.permission import decide_on_key, key_request
from regionsim.kms.plan import Call, Outcome, Reads, View
from regionsim.kms.rotation import DEFAULT_PERIOD_DAYS, automatic_rotation
from regionsim.kms.state import RegionState
from regionsim.kms.writes import PutAlias, PutKey, PutToken
from regionsim.names.arns import Arn, account_root_arn, alias_arn
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import AWS_ALIAS_PREFIX, new_key_id
from regionsim.names.regions import partition_of

OWNED_KEYS_ACCOUNT = "969696969696"
"""The account of AWS's own that has the AWS owned keys here; no world may give it to a customer. Source: ours."""

_OWNED_PREFIX = "alias/aws-owned/"
_SPEC = KeySpec.SYMMETRIC_DEFAULT
_MAKES_THE_KEY = frozenset({"DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"})

_USES = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"]
_LOOKS = ["kms:Describe*", "kms:Get*", "kms:List*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A service with an AWS managed key: how its policy spells it, what its description says that it protects, and the
    name in `kms:ViaService` where that is not the alias's."""

    title: str
    things: str
    via: str = ""


def _of(title: str, things: str = "data", via: str = "") -> Protected:
    return Protected(title=title, things=things, via=via)


PROTECTED: Mapping[str, Protected] = MappingProxyType(
    {
        "acm": _of("ACM", "ACM private keys"),
        "backup": _of("AWS Backup", "Backup data"),
        "cloud9": _of("AWS Cloud9", "Cloud9 environments"),
        "codecommit": _of("AWS CodeCommit", "CodeCommit repositories"),
        "connect": _of("Amazon Connect", "Connect data"),
        "dms": _of("AWS DMS", "Database Migration Service (DMS) data"),
        "dynamodb": _of("Amazon DynamoDB", "DynamoDB data"),
        "ebs": _of("EBS", "EBS volumes", "ec2"),
        "ecr": _of("Amazon ECR", "ECR data"),
        "elasticfilesystem": _of("EFS", "EFS filesystems"),
        "es": _of("Amazon Elasticsearch Service", "Elasticsearch data"),
        "fsx": _of("Amazon FSx", "FSx resources"),
        "glue": _of("AWS Glue", "Glue data"),
        "kafka": _of("Amazon MSK", "MSK data"),
        "kinesis": _of("Kinesis", "Kinesis streams"),
        "kinesisvideo": _of("Kinesis Video Streams", "Kinesis Video streams"),
        "lambda": _of("AWS Lambda", "Lambda functions"),
        "lightsail": _of("Amazon Lightsail", "Lightsail data"),
        "rds": _of("RDS", "RDS database volumes"),
        "redshift": _of("Redshift", "Redshift clusters"),
        "s3": _of("S3", "S3 objects"),
        "secretsmanager": _of("AWS Secrets Manager", "Secrets Manager data"),
        "sns": _of("Amazon SNS", "SNS data"),
        "sqs": _of("Amazon SQS", "SQS messages"),
        "ssm": _of("SSM", "SSM parameters"),
        "workmail": _of("Amazon WorkMail", "WorkMail mailboxes"),
        "workspaces": _of("Amazon WorkSpaces", "WorkSpaces volumes"),
        "xray": _of("AWS X-Ray", "X-Ray data"),
    }
)
"""The services that have an AWS managed key, by what follows `alias/aws/`."""

PREDEFINED = tuple(sorted(f"{AWS_ALIAS_PREFIX}{service}" for service in PROTECTED))
"""The aliases that every account has in every Region, with a key behind them or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """A key of AWS's that a call names and that is not there yet."""

    account: str
    alias: str
    service: str

    @property
    def is_owned(self) -> bool:
        """True for an AWS owned key, False for an AWS managed one."""
        return self.account == OWNED_KEYS_ACCOUNT


def owned_key_alias(region: str, service: str) -> str:
    """How a service names the AWS owned key that it has in that Region: an alias ARN."""
    return alias_arn(region, OWNED_KEYS_ACCOUNT, f"{_OWNED_PREFIX}{service}")


def unmade_key(state: RegionState, call: Call, reads: Reads) -> Unmade | None:
    """The key of AWS's that the call would be the first to use, or None."""
    if call.operation not in _MAKES_THE_KEY or not reads.keys:
        return None
    arn = Arn.parse(reads.keys[0])
    if arn is not None and (arn.service, arn.region) != ("kms", state.region):
        return None
    account, alias = (arn.account, arn.resource) if arn else (call.caller.account, reads.keys[0])
    found = _of_customer(call.caller, account, alias) or _of_service(call.caller, account, alias)
    return found if found is not None and state.alias(account, alias) is None else None


def _of_customer(caller: Principal, account: str, alias: str) -> Unmade | None:
    service = alias.removeprefix(AWS_ALIAS_PREFIX)
    if not alias.startswith(AWS_ALIAS_PREFIX) or service not in PROTECTED or account != caller.account or not account:
        return None
    return Unmade(account=account, alias=alias, service=service)


def _of_service(caller: Principal, account: str, alias: str) -> Unmade | None:
    service = alias.removeprefix(_OWNED_PREFIX)
    is_its_own = caller.kind is PrincipalKind.SERVICE and caller.arn == f"{service}.amazonaws.com"
    if account != OWNED_KEYS_ACCOUNT or not alias.startswith(_OWNED_PREFIX) or not is_its_own:
        return None
    return Unmade(account=account, alias=alias, service=service)


def to_be_made(view: View, call: Call, unmade: Unmade) -> KmsKey | None:
    """The key as it will be, without material; None when its policy would not let this very call use it."""
    key = _key(view, unmade)
    context = call.parameters.get("EncryptionContext") or {}
    request = key_request(
        view, call.caller, f"kms:{call.operation}", key, named=unmade.alias, encryption_context=context
    )
    return key if decide_on_key(view, request, key.regional.policy).is_allowed else None


def job_of(key: KmsKey) -> CreateBackingKey:
    """What an HSM has to do for it."""
    return hsm_jobs.CreateBackingKey(key_id=key.key_id, spec=key.shared.spec)


def made(key: KmsKey, unmade: Unmade, call: Call, answer: BackingKeyCreated) -> Outcome:
    """The key with its material, its alias, and what the trail of its account says of that."""
    at_ns = key.regional.created_at_ns
    whole = with_first_material(key, answer.material.material_id, at_ns)
    alias = Alias(
        account=unmade.account,
        name=unmade.alias,
        target_key_id=key.key_id,
        created_at_ns=at_ns,
        updated_at_ns=at_ns,
    )
    return Outcome(
        writes=(PutKey(key=whole), PutToken(material=answer.material), PutAlias(alias=alias)),
        events=() if unmade.is_owned else (managed_key_creation(whole, call.caller.arn, call.request_id),),
    )


def _key(view: View, unmade: Unmade) -> KmsKey:
    shared = SharedProperties(
        key_id=new_key_id(view.fresh, multi_region=False),
        account=unmade.account,
        spec=_SPEC,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        owner=KeyOwner.AWS,
        automatic_rotation=automatic_rotation(DEFAULT_PERIOD_DAYS, view.now_ns),
    )
    regional = RegionalProperties(
        region=view.region,
        state=KeyState.ENABLED,
        policy=_owned_policy(unmade.service) if unmade.is_owned else managed_policy(view.region, unmade),
        description="" if unmade.is_owned else _description(unmade.service),
        created_at_ns=view.now_ns,
    )
    return KmsKey(shared=shared, regional=regional)


def _description(service: str) -> str:
    return f"Default key that protects my {PROTECTED[service].things} when no other key is defined"


def managed_policy(region: str, unmade: Unmade) -> str:
    """The policy of an AWS managed key, which nobody can change."""
    protected, account = PROTECTED[unmade.service], unmade.account
    through_the_service = {
        "kms:CallerAccount": account,
        "kms:ViaService": f"{protected.via or unmade.service}.{region}.amazonaws.com",
    }
    sid = f"Allow access through {protected.title} for all principals in the account that are authorized to use"
    statements = [
        {
            "Sid": f"{sid} {protected.title}",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": _USES,
            "Resource": "*",
            "Condition": {"StringEquals": through_the_service},
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": {"AWS": account_root_arn(account, partition_of(region).name)},
            "Action": [*_LOOKS, "kms:RevokeGrant"],
            "Resource": "*",
        },
    ]
    if unmade.service == "dynamodb":
        statements.append(
            {
                "Sid": "Allow DynamoDB Service with service principal name dynamodb.amazonaws.com to describe the key "
                "directly",
                "Effect": "Allow",
                "Principal": {"Service": "dynamodb.amazonaws.com"},
                "Action": _LOOKS,
                "Resource": "*",
            }
        )
    return shown({"Version": "2012-10-17", "Id": f"auto-{unmade.service}-1", "Statement": statements})


def _owned_policy(service: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": _USES,
        "Resource": "*",
    }
    return shown({"Version": "2012-10-17", "Id": "aws-owned", "Statement": [statement]})
