"""TagResource, UntagResource, ListResourceTags, UpdateKeyDescription: what a customer writes on a key.

Tags and description belong to the key in one Region and are never replicated. Source: KMS API Reference, TagResource,
UntagResource, ListResourceTags, UpdateKeyDescription.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from regionsim.kms.errors import TagException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_states import require_state
from regionsim.kms.operations.lifecycle import tag_values
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.quotas import TAGS_PER_KEY
from regionsim.kms.tags import checked_tags, wire_tags
from regionsim.kms.writes import PutKey
from regionsim.names.dataclass import dataclass

_LARGEST_PAGE = 50


def _changed(plan: Plan[Any]) -> Outcome:
    return Outcome(writes=(PutKey(key=plan.key),), facts={"responseElements": {"keyId": plan.key.arn}})


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResourceRequest:
    key_id: str
    tags: Sequence[Mapping[str, str]]


class TagResource(Operation[TagResourceRequest]):
    name = "TagResource"
    request_type = TagResourceRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "Tags")

    def reads(self, request: TagResourceRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: TagResourceRequest) -> Plan[TagResourceRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        given = tuple((tag["TagKey"], tag["TagValue"]) for tag in request.tags)
        require_on_key(view, call.caller, "kms:TagResource", key, values=tag_values(given))
        require_state(self.name, key)
        tags = tuple({**dict(key.regional.tags), **dict(checked_tags(request.tags))}.items())
        if len(tags) > TAGS_PER_KEY:
            raise TagException("Too many tags")
        changed = key.with_regional(tags=tags)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(changed,))

    def answer(self, plan: Plan[TagResourceRequest], answer: HsmAnswer | None) -> Outcome:
        return _changed(plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class UntagResourceRequest:
    key_id: str
    tag_keys: Sequence[str]


class UntagResource(Operation[UntagResourceRequest]):
    """A name that no tag has changes nothing."""

    name = "UntagResource"
    request_type = UntagResourceRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "TagKeys")

    def reads(self, request: UntagResourceRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: UntagResourceRequest) -> Plan[UntagResourceRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"aws:TagKeys": tuple(request.tag_keys) or None}
        require_on_key(view, call.caller, "kms:UntagResource", key, values=values)
        require_state(self.name, key)
        kept = tuple(tag for tag in key.regional.tags if tag[0] not in request.tag_keys)
        changed = key.with_regional(tags=kept)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(changed,))

    def answer(self, plan: Plan[UntagResourceRequest], answer: HsmAnswer | None) -> Outcome:
        return _changed(plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResourceTagsRequest:
    key_id: str
    limit: int = _LARGEST_PAGE
    marker: str | None = None


class ListResourceTags(Operation[ListResourceTagsRequest]):
    name = "ListResourceTags"
    request_type = ListResourceTagsRequest
    recorded = ("KeyId", "Limit", "Marker")

    def reads(self, request: ListResourceTagsRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ListResourceTagsRequest) -> Plan[ListResourceTagsRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:ListResourceTags", key)
        require_state(self.name, key)
        after, limit = read_marker(request.marker), min(request.limit, _LARGEST_PAGE)
        left = [tag for tag in sorted(key.regional.tags) if after is None or tag[0] > after]
        more = left[limit - 1][0] if len(left) > limit else None
        found = tuple(wire_tags(tuple(left[:limit])))
        return Plan(
            call=call,
            request=request,
            region=view.region,
            now_ns=view.now_ns,
            keys=(key,),
            found=found,
            next_marker=more,
        )

    def answer(self, plan: Plan[ListResourceTagsRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Tags", [dict(tag) for tag in plan.found], plan.next_marker))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateKeyDescriptionRequest:
    key_id: str
    description: str


class UpdateKeyDescription(Operation[UpdateKeyDescriptionRequest]):
    name = "UpdateKeyDescription"
    request_type = UpdateKeyDescriptionRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "Description")

    def reads(self, request: UpdateKeyDescriptionRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: UpdateKeyDescriptionRequest) -> Plan[UpdateKeyDescriptionRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:UpdateKeyDescription", key)
        require_state(self.name, key)
        changed = key.with_regional(description=request.description)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(changed,))

    def answer(self, plan: Plan[UpdateKeyDescriptionRequest], answer: HsmAnswer | None) -> Outcome:
        return _changed(plan)
