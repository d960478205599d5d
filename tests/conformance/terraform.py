"""Terraform's KMS resources as their provider handles them: its calls in its order, and what it compares afterwards.

A resource is made (`create`), read back for every plan (`read`: what the provider keeps as state, None for what is
gone), changed (`update`) and taken away (`destroy`). `drift` is what the next plan would want to change.

Source: the provider's resources aws_kms_key, aws_kms_replica_key, aws_kms_alias, aws_kms_grant, by what they call.
"""

import json
import time

from botocore.exceptions import ClientError

CONTINUOUSLY = 5
"""So many readings in a row must show a change before the provider believes it."""

GONE = ("PendingDeletion", "PendingReplicaDeletion")


def drift(wanted, state):
    """What a plan would change: attribute -> (in the configuration, in the state)."""
    return {name: (value, state.get(name)) for name, value in wanted.items() if not _same(name, value, state.get(name))}


def _same(name, wanted, found):
    return equivalent(wanted, found) if name == "policy" else wanted == found


def equivalent(one, other):
    """Two policies that say the same: order and form of lists, and an account for its root, do not matter."""
    return _normal(json.loads(one)) == _normal(json.loads(other))


def _normal(value):
    if isinstance(value, dict):
        return {name: _listed(held) if name in LISTS else _normal(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_normal(one) for one in value]
    return value


LISTS = ("Action", "NotAction", "Resource", "NotResource", "AWS", "Service", "Federated")


def _listed(value):
    values = [value] if isinstance(value, str) else value
    return sorted(f"arn:aws:iam::{one}:root" if one.isdecimal() and len(one) == 12 else one for one in values)


def propagated(holds):
    """The provider's wait, without its pauses: here a change is there at once, and stays."""
    assert [holds() for _ in range(CONTINUOUSLY)] == [True] * CONTINUOUSLY


def code_of(error):
    return error.response["Error"]["Code"]


def unless_gone(call, **parameters):
    """The answer; None where the provider takes a refusal for "it is not there"."""
    try:
        return call(**parameters)
    except ClientError as error:
        if code_of(error) == "NotFoundException":
            return None
        if code_of(error) == "KMSInvalidStateException" and "is pending deletion" in str(error):
            return None
        raise


class Key:
    """`aws_kms_key`: a key in the Region of its client."""

    enabled_name = "is_enabled"

    def __init__(self, kms):
        self.kms = kms

    def create(self, wanted):
        asked = {
            "BypassPolicyLockoutSafetyCheck": False,
            "KeySpec": wanted.get("customer_master_key_spec", "SYMMETRIC_DEFAULT"),
            "KeyUsage": wanted.get("key_usage", "ENCRYPT_DECRYPT"),
            "Tags": _tags(wanted),
        }
        if wanted.get("description"):
            asked["Description"] = wanted["description"]
        if "multi_region" in wanted:
            asked["MultiRegion"] = wanted["multi_region"]
        if "policy" in wanted:
            asked["Policy"] = _normalized(wanted["policy"])
        key_id = self.kms.create_key(**asked)["KeyMetadata"]["KeyId"]
        if wanted.get("enable_key_rotation"):
            self._rotate(key_id, wanted)
        self._settle(key_id, wanted)
        return key_id

    def _settle(self, key_id, wanted):
        if not wanted.get(self.enabled_name, True):
            self._enable(key_id, False)
        if "policy" in wanted:
            propagated(lambda: equivalent(self._policy(key_id), wanted["policy"]))
        if wanted.get("tags"):
            propagated(lambda: self._tags(key_id) == wanted["tags"])

    def read(self, key_id):
        found = unless_gone(self.kms.describe_key, KeyId=key_id)
        if found is None or found["KeyMetadata"]["KeyState"] in GONE:
            return None
        key = found["KeyMetadata"]
        assert not key["MultiRegion"] or key["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
        state = {
            "arn": key["Arn"],
            "key_id": key["KeyId"],
            "customer_master_key_spec": key["KeySpec"],
            "key_usage": key["KeyUsage"],
            "description": key["Description"],
            "is_enabled": key["Enabled"],
            "multi_region": key["MultiRegion"],
            "policy": _normalized(self._policy(key_id)),
            "tags": self._tags(key_id),
        }
        if key["Origin"] == "AWS_KMS":
            rotation = self.kms.get_key_rotation_status(KeyId=key_id)
            state["enable_key_rotation"] = rotation["KeyRotationEnabled"]
            if rotation["KeyRotationEnabled"]:
                state["rotation_period_in_days"] = rotation["RotationPeriodInDays"]
        return state

    def update(self, key_id, before, after):
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        if self.enabled_name in changed and after[self.enabled_name]:
            self._enable(key_id, True)
        if changed & {"enable_key_rotation", "rotation_period_in_days"}:
            self._rotate(key_id, after)
        if "description" in changed:
            self.kms.update_key_description(KeyId=key_id, Description=after["description"])
            propagated(lambda: self._described(key_id)["Description"] == after["description"])
        if "policy" in changed:
            policy = _normalized(after["policy"])
            self.kms.put_key_policy(
                KeyId=key_id, PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=False
            )
            propagated(lambda: equivalent(self._policy(key_id), policy))
        if self.enabled_name in changed and not after[self.enabled_name]:
            self._enable(key_id, False)
        if "tags" in changed:
            self._retag(key_id, before.get("tags", {}), after["tags"])

    def destroy(self, key_id, wanted):
        asked = {"KeyId": key_id}
        if "deletion_window_in_days" in wanted:
            asked["PendingWindowInDays"] = wanted["deletion_window_in_days"]
        answer = unless_gone(self.kms.schedule_key_deletion, **asked)
        if answer is not None:
            assert answer["KeyState"] in GONE
            assert answer["PendingWindowInDays"] == wanted.get("deletion_window_in_days", 30)
        assert self.read(key_id) is None
        return answer

    def _described(self, key_id):
        return self.kms.describe_key(KeyId=key_id)["KeyMetadata"]

    def _policy(self, key_id):
        return self.kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]

    def _tags(self, key_id):
        pages = self.kms.get_paginator("list_resource_tags").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2})
        return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}

    def _enable(self, key_id, enabled):
        (self.kms.enable_key if enabled else self.kms.disable_key)(KeyId=key_id)
        propagated(lambda: self._described(key_id)["Enabled"] is enabled)

    def _rotate(self, key_id, wanted):
        enabled, period = wanted.get("enable_key_rotation", False), wanted.get("rotation_period_in_days")
        if enabled:
            self.kms.enable_key_rotation(KeyId=key_id, **({"RotationPeriodInDays": period} if period else {}))
        else:
            self.kms.disable_key_rotation(KeyId=key_id)

        def holds():
            status = self.kms.get_key_rotation_status(KeyId=key_id)
            if period and "RotationPeriodInDays" in status:
                return (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (enabled, period)
            return status["KeyRotationEnabled"] is enabled

        propagated(holds)

    def _retag(self, key_id, before, after):
        removed = [name for name in before if name not in after]
        if removed:
            self.kms.untag_resource(KeyId=key_id, TagKeys=removed)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        if changed:
            self.kms.tag_resource(KeyId=key_id, Tags=_tags({"tags": changed}))
        propagated(lambda: self._tags(key_id) == after)


class ReplicaKey(Key):
    """`aws_kms_replica_key`: `primary` is a client of the primary key's Region."""

    enabled_name = "enabled"

    def __init__(self, kms, primary):
        super().__init__(kms)
        self.primary = primary

    def create(self, wanted):
        asked = {
            "KeyId": wanted["primary_key_arn"].rpartition("/")[2],
            "ReplicaRegion": self.kms.meta.region_name,
            "Tags": _tags(wanted),
        }
        if wanted.get("description"):
            asked["Description"] = wanted["description"]
        if "policy" in wanted:
            asked["Policy"] = wanted["policy"]
        key_id = self.primary.replicate_key(**asked)["ReplicaKeyMetadata"]["KeyId"]
        self._await_created(key_id)
        self._settle(key_id, wanted)
        return key_id

    def _await_created(self, key_id):
        end = time.monotonic() + 10
        while True:
            found = unless_gone(self.kms.describe_key, KeyId=key_id)
            state = "Creating" if found is None else found["KeyMetadata"]["KeyState"]
            if state != "Creating":
                break
            assert time.monotonic() < end, "the replica is not there yet"
            time.sleep(0.02)
        assert state == "Enabled"

    def read(self, key_id):
        found = unless_gone(self.kms.describe_key, KeyId=key_id)
        if found is None or found["KeyMetadata"]["KeyState"] in GONE:
            return None
        key = found["KeyMetadata"]
        assert (key["KeyManager"], key["Origin"]) == ("CUSTOMER", "AWS_KMS")
        assert key["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
        return {
            "arn": key["Arn"],
            "key_id": key["KeyId"],
            "key_spec": key["KeySpec"],
            "key_usage": key["KeyUsage"],
            "description": key["Description"],
            "enabled": key["Enabled"],
            "key_rotation_enabled": self.kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"],
            "policy": _normalized(self._policy(key_id)),
            "primary_key_arn": key["MultiRegionConfiguration"]["PrimaryKey"]["Arn"],
            "tags": self._tags(key_id),
        }


class Alias:
    """`aws_kms_alias`. It is found by its name among all aliases."""

    def __init__(self, kms):
        self.kms = kms

    def create(self, wanted):
        self.kms.create_alias(AliasName=wanted["name"], TargetKeyId=wanted["target_key_id"])
        return wanted["name"]

    def read(self, name):
        pages = self.kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 1})
        found = [alias for page in pages for alias in page["Aliases"] if alias["AliasName"] == name]
        if not found:
            return None
        (alias,) = found
        prefix = alias["AliasArn"].partition(":alias/")[0]
        return {
            "arn": alias["AliasArn"],
            "name": alias["AliasName"],
            "target_key_id": alias["TargetKeyId"],
            "target_key_arn": f"{prefix}:key/{alias['TargetKeyId']}",
        }

    def update(self, name, after):
        self.kms.update_alias(AliasName=name, TargetKeyId=after["target_key_id"])

    def destroy(self, name):
        unless_gone(self.kms.delete_alias, AliasName=name)
        assert self.read(name) is None


class Grant:
    """`aws_kms_grant`. Every change of it is a new one."""

    MEMBERS = (("name", "Name"), ("grantee_principal", "GranteePrincipal"), ("retiring_principal", "RetiringPrincipal"))

    def __init__(self, kms):
        self.kms = kms

    def create(self, wanted):
        asked = {member: wanted[name] for name, member in self.MEMBERS if name in wanted}
        if "constraints" in wanted:
            asked["Constraints"] = wanted["constraints"]
        answer = self.kms.create_grant(KeyId=wanted["key_id"], Operations=sorted(wanted["operations"]), **asked)
        assert answer["GrantToken"]
        return wanted["key_id"], answer["GrantId"]

    def read(self, grant):
        key_id, grant_id = grant
        found = []
        pages = self.kms.get_paginator("list_grants").paginate(KeyId=key_id, PaginationConfig={"PageSize": 1})
        found = [one for page in pages for one in page["Grants"] if one["GrantId"] == grant_id]
        if not found:
            return None
        (one,) = found
        for _, principal in self.MEMBERS[1:]:
            assert one.get(principal, "arn:").startswith("arn:"), (
                "the provider waits for ever on a principal without ARN"
            )
        state = {name: one[member] for name, member in self.MEMBERS if one.get(member)}
        constraints = {name: of for name, of in one.get("Constraints", {}).items() if of}
        return {
            "key_id": key_id,
            "grant_id": grant_id,
            "operations": set(one["Operations"]),
            **state,
            **({"constraints": constraints} if constraints else {}),
        }

    def destroy(self, grant, *, retire=False):
        key_id, grant_id = grant
        unless_gone(self.kms.retire_grant if retire else self.kms.revoke_grant, KeyId=key_id, GrantId=grant_id)
        assert self.read(grant) is None


def _tags(wanted):
    return [{"TagKey": name, "TagValue": value} for name, value in wanted.get("tags", {}).items()]


def _normalized(policy):
    """JSON as the provider keeps it: one line, members by name."""
    return json.dumps(json.loads(policy), sort_keys=True, separators=(",", ":"))
