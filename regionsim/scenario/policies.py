"""Policies as scenarios hold them: a mapping, JSON text, or `file: policy.json`; mistakes with the place inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from regionsim.authorization.documents import PolicyError
from regionsim.authorization.findings import check_identity_policy, check_key_policy
from regionsim.authorization.policy import Policy, PolicyKind, parse_policy
from regionsim.scenario.errors import ScenarioError, quoted
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind_of, plain
from regionsim.scenario.parse import parse
from regionsim.scenario.read import text
from regionsim.scenario.source import read_source


def document(node: Node, what: str) -> Node:
    """The node that holds the policy itself: of the file that `file:` names, or this very one."""
    if isinstance(node, MappingNode) and list(node.entries) == ["file"]:
        return _from_file(node.entries["file"].value, what)
    if isinstance(node, MappingNode) or (isinstance(node, ScalarNode) and isinstance(node.value, str)):
        return node
    raise node.position.error(
        f"{what} must be a policy, this is {kind_of(node)}",
        "write it as a mapping, as JSON text, or as file: policy.json",
    )


def read_policy(node: Node, kind: PolicyKind, what: str) -> Policy:
    """The policy at `node`."""
    held = document(node, what)
    try:
        return parse_policy(held.text if isinstance(held, ScalarNode) else plain(held), kind=kind)
    except PolicyError as error:
        place = follow(held, error.path)
        where = "" if error.path == "$" else f" at {error.path}"
        raise place.position.error(f"{what} is malformed{where}: {error.message}") from None


def warnings_about(node: Node, policy: Policy) -> Iterator[ScenarioError]:
    """What is odd in an identity policy, at its place."""
    for finding in check_identity_policy(policy):
        place = follow(document(node, "the policy"), finding.path)
        yield place.position.error(f"warning: {finding.message}", "it allows and denies nothing")


def refuse_unacceptable(node: Node, what: str) -> None:
    """Return when KMS would take the key policy. Errors: ScenarioError with AWS's text, at its place."""
    held = document(node, what)
    for finding in check_key_policy(held.text if isinstance(held, ScalarNode) else plain(held)):
        if finding.is_error:
            raise follow(held, finding.path).position.error(f"KMS does not take {what}: {finding.message}")


def warnings_about_key_policy(node: Node, account: str | None) -> Iterator[ScenarioError]:
    """What KMS accepts in a key policy of `account` and what has no effect, or another than was meant, at its place."""
    held = document(node, "the policy")
    for finding in check_key_policy(held.text if isinstance(held, ScalarNode) else plain(held), key_account=account):
        if not finding.is_error:
            yield follow(held, finding.path).position.error(
                f"warning: {finding.message}", "KMS accepts it all the same"
            )


def follow(node: Node, path: str) -> Node:
    """The node that a policy's JSON path (`$.Statement[0].Effect`) leads to, or the last one on the way that exists.

    Keys in such a path stand as they are, dots included, so the longest key that fits is taken.
    """
    rest = path.removeprefix("$")
    while rest:
        match node:
            case MappingNode() if rest.startswith("."):
                fitting = [key for key in node.entries if _begins(rest[1:], key)]
                if not fitting:
                    break
                key = max(fitting, key=len)
                node, rest = node.entries[key].value, rest[1 + len(key) :]
            case SequenceNode() if rest.startswith("["):
                index, _, rest = rest[1:].partition("]")
                if not index.isdecimal() or int(index) >= len(node.items):
                    break
                node = node.items[int(index)]
            case MappingNode() if rest.startswith("[0]"):
                rest = rest[3:]  # AWS takes one statement without a list around it
            case _:
                break
    return node


def _begins(rest: str, key: str) -> bool:
    return rest.startswith(key) and rest[len(key) :][:1] in {"", ".", "["}


def _from_file(node: Node, what: str) -> Node:
    name = text(node, f"the file of {what}")
    path = Path(node.position.path).parent / name
    if not path.is_file():
        raise node.position.error(
            f"{what}: there is no file {quoted(str(path))}", "it is looked for beside the scenario"
        )
    # JSON is YAML too (1.2), so that the policy's own file gives positions as well.
    return parse(read_source(path, str(path)), str(path))
