"""Tags on a KMS key: the rules that CreateKey, ReplicateKey and TagResource share.

Source: KMS API Reference, TagResource; texts observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regionsim.kms.errors import TagException
from regionsim.kms.quotas import TAGS_PER_KEY

Tags = tuple[tuple[str, str], ...]


def checked_tags(given: Sequence[Mapping[str, str]]) -> Tags:
    """The tags of a request in its order. Errors: TagException for too many, doubled or reserved keys."""
    names = [tag["TagKey"] for tag in given]
    if len(set(names)) != len(names):
        raise TagException("Duplicate tag keys")
    if any(name.lower().startswith("aws:") for name in names):
        raise TagException("Tags beginning with aws: are reserved")
    if len(names) > TAGS_PER_KEY:
        raise TagException("Too many tags")
    return tuple((tag["TagKey"], tag["TagValue"]) for tag in given)


def wire_tags(tags: Tags) -> list[dict[str, str]]:
    """The tags under AWS's member names."""
    return [{"TagKey": name, "TagValue": text} for name, text in tags]
