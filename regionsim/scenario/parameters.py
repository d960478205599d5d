"""Parameters of a call and expected values, read by the shapes of AWS's model.

Names of members are always checked; types, enums, lengths and patterns of what is written out are checked unless the
step expects KMS itself to refuse them. What holds a `$name` is checked when it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from regionsim.authorization.policy import Policy, PolicyKind, principals_named
from regionsim.kms.constraints import TYPE_TESTS, rules_of
from regionsim.kms.model import Shape, ShapeType, model
from regionsim.kms.wrapping import WrappingAlgorithm
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.scenario import policies, read
from regionsim.scenario.attestation import DOCUMENT, ENVELOPE, named_enclave
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind_of
from regionsim.scenario.values import (
    AsBlob,
    AsDocument,
    AsJson,
    AsOpened,
    AsWrapped,
    Reference,
    Tree,
    blob,
    fill_in,
    is_literal,
    text_tree,
)

if TYPE_CHECKING:
    from regionsim.hsm.algorithms.enclaves import Enclave

WRAPPED = "EncryptedKeyMaterial"
"""The blob that may be written as material, key and algorithm."""

WRAPPING = ("material", "under", "algorithm")
WRAPPED_BY = tuple(known.value for known in WrappingAlgorithm if known.is_offered)

_POLICY = "PolicyType"
_REGION = "RegionType"


@dataclass(slots=True, kw_only=True)
class ShapeReader:
    """Reads nodes as values of shapes.

    `is_strict`: hold literals against the shape's own rules, and against the world. `is_request`: required members
    must be there, and null counts as a mistake (in an expectation it means absent).
    """

    known: Known
    is_strict: bool = True
    is_request: bool = True

    def read(self, node: Node, shape: Shape, what: str) -> Tree:
        """The value at `node` as one of `shape`; `what` names it in messages."""
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            tree = text_tree(node, self.known.names)
            if isinstance(tree, Reference) and shape.type is not ShapeType.BLOB:
                return tree
        if not self.is_request and isinstance(node, ScalarNode) and node.value is None:
            return None
        match shape.type:
            case ShapeType.STRUCTURE:
                return self._structure(node, shape, what)
            case ShapeType.LIST:
                return self._list(node, shape, what)
            case ShapeType.MAP:
                return self._map(node, shape, what)
            case ShapeType.STRING if shape.name == _POLICY and isinstance(node, MappingNode):
                return self._policy(node, what)
            case _:
                return self._scalar(node, shape, what)

    def _structure(self, node: Node, shape: Shape, what: str) -> dict[str, Tree]:
        result = {}
        for name, entry in read.entries(node, what).items():
            if name not in shape.members:
                raise entry.key.position.error(f"{what} has no {quoted(name)}", advice(name, shape.members, shown=20))
            member = model().shapes[shape.members[name]]
            result[name] = self.read(entry.value, member, name)
        missing = sorted(shape.required - result.keys()) if self.is_strict and self.is_request else []
        if missing:
            raise node.position.error(f"{what} has no '{missing[0]}'", f"it needs {', '.join(sorted(shape.required))}")
        return result

    def _list(self, node: Node, shape: Shape, what: str) -> list[Tree]:
        assert shape.element is not None
        element = model().shapes[shape.element]
        result = [self.read(item, element, what) for item in read.items(node, what)]
        self._hold(result, node, shape, what)
        return result

    def _map(self, node: Node, shape: Shape, what: str) -> dict[str, Tree]:
        assert shape.value is not None
        value = model().shapes[shape.value]
        result = {}
        for name, entry in read.entries(node, what).items():
            key = text_tree(entry.key, self.known.names)
            if not isinstance(key, str):
                raise entry.key.position.error(f"{what}: a saved value cannot be a key", "write the key out")
            result[key] = self.read(entry.value, value, f"{what}.{name}")
        self._hold(result, node, shape, what)
        return result

    def _policy(self, node: MappingNode, what: str) -> Tree:
        held = policies.document(node, what)
        if isinstance(held, ScalarNode):
            return held.text
        tree = AsJson(of=self.free(held))
        if is_literal(tree.of):
            if self.is_strict:
                self._check_principals(policies.read_policy(held, PolicyKind.KEY, what), held, what)
                self.known.warnings.extend(policies.warnings_about_key_policy(held, self.known.account))
            return fill_in(tree, {})
        return tree

    def _check_principals(self, policy: Policy, node: Node, what: str) -> None:
        if self.known.directory is None:
            return
        for statement in policy.statements:
            for principal in principals_named(
                Policy(kind=policy.kind, version=None, policy_id=None, statements=(statement,))
            ):
                if not self.known.directory.has_principal(principal):
                    place = policies.follow(node, f"{statement.path}.Principal")
                    raise place.position.error(
                        f"{what} names {quoted(principal)}, which does not exist", self.known.principals()
                    )

    def free(self, node: Node) -> Tree:
        """The value at `node` when no shape is known for it; names in its texts are found."""
        match node:
            case MappingNode():
                return {key: self.free(entry.value) for key, entry in node.entries.items()}
            case SequenceNode():
                return [self.free(item) for item in node.items]
            case ScalarNode(value=str()):
                return text_tree(node, self.known.names)
            case ScalarNode():
                return node.value

    def _scalar(self, node: Node, shape: Shape, what: str) -> Tree:
        value = self._scalar_tree(node, shape, what)
        if is_literal(value):
            self._hold(value, node, shape, what)
        return value

    def _scalar_tree(self, node: Node, shape: Shape, what: str) -> Tree:
        match shape.type:
            case ShapeType.BLOB if what == WRAPPED and isinstance(node, MappingNode):
                return self._wrapped(node, what)
            case ShapeType.BLOB if what == DOCUMENT and isinstance(node, MappingNode):
                return AsDocument(enclave=self._enclave(node, what, ("enclave",)))
            case ShapeType.BLOB if what == ENVELOPE and isinstance(node, MappingNode):
                enclave, held = self._enclave(node, what, ("enclave", "holds")), node.entries
                name = read.text(held["enclave"].value, "enclave")
                return AsOpened(enclave=enclave, name=name, holds=self._blob(held["holds"].value, "holds"))
            case ShapeType.BLOB:
                return self._blob(node, what)
            case ShapeType.STRING:
                read.text(node, what)
                assert isinstance(node, ScalarNode)
                return text_tree(node, self.known.names)
            case ShapeType.TIMESTAMP if isinstance(node, ScalarNode) and isinstance(node.value, str):
                return read.instant(node, what) / 1_000_000_000
        if not isinstance(node, ScalarNode) or not TYPE_TESTS[shape.type](node.value):
            wanted = _WANTED[shape.type]
            is_quoted = isinstance(node, ScalarNode) and node.is_quoted
            hint = "write it without quotes" if is_quoted else ""
            raise node.position.error(f"{what} must be {wanted}, this is {kind_of(node)}", hint)
        return node.value

    def _blob(self, node: Node, what: str) -> bytes | AsBlob:
        read.text(node, what)
        assert isinstance(node, ScalarNode)
        tree = text_tree(node, self.known.names)
        if not isinstance(tree, str):
            return AsBlob(of=tree)
        try:
            return blob(tree)
        except ValueError as error:
            raise node.position.error(
                f"{what}: {error}", "write plain text, or base64: and the encoded bytes"
            ) from None

    def _enclave(self, node: MappingNode, what: str, wanted: tuple[str, ...]) -> Enclave:
        """The enclave in a mapping of these keys."""
        self._hold_keys(node, what, wanted)
        return named_enclave(node.entries["enclave"].value, self.known.enclaves)

    def _hold_keys(self, node: MappingNode, what: str, wanted: tuple[str, ...]) -> None:
        """Errors: ScenarioError unless the mapping has exactly these keys."""
        for name, entry in node.entries.items():
            if name not in wanted:
                raise entry.key.position.error(f"{what} has no {quoted(name)}", advice(name, wanted))
        for name in wanted:
            if name not in node.entries:
                raise node.position.error(f"{what} has no '{name}'", f"it needs {', '.join(wanted)}")

    def _wrapped(self, node: MappingNode, what: str) -> AsWrapped:
        """Material that is still to be wrapped, as its owner would do it."""
        self._hold_keys(node, what, WRAPPING)
        held = node.entries
        algorithm = read.text(held["algorithm"].value, "algorithm")
        if algorithm not in WRAPPED_BY:
            place = held["algorithm"].value.position
            raise place.error(f"material is not wrapped by {quoted(algorithm)}", advice(algorithm, WRAPPED_BY, shown=9))
        return AsWrapped(
            material=self._blob(held["material"].value, "material"),
            under=self.free(held["under"].value),
            algorithm=WrappingAlgorithm(algorithm),
        )

    def _hold(self, value: Tree, node: Node, shape: Shape, what: str) -> None:
        if not self.is_strict or not is_literal(value):
            return
        if shape.enum and value not in shape.enum:
            raise node.position.error(
                f"{what} cannot be {quoted(str(value))}", advice(str(value), shape.enum, shown=20)
            )
        if shape.name == _REGION:
            read.region(node, what, self.known.regions)
        for rule in rules_of(shape):
            if not rule.holds(value):
                raise node.position.error(f"{what}: {rule.sentence}")


_WANTED = {ShapeType.INTEGER: "a whole number", ShapeType.BOOLEAN: "true or false", ShapeType.TIMESTAMP: "an instant"}
