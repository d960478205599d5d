"""`attestation:`: whose enclaves the Regions believe, and enclaves that steps can speak for.

In a call `AttestationDocument: {enclave: NAME}` stands for a new document of that enclave, and in an expectation
`CiphertextForRecipient: {enclave: NAME, holds: PLAINTEXT}` for what it finds when it opens the envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Entry, MappingNode, Node
from regionsim.scenario.read import Findings
from regionsim.scenario.source import read_source
from regionsim.scenario.vocabulary import ATTESTATION, ENCLAVE

if TYPE_CHECKING:
    from regionsim.hsm.algorithms.enclaves import Enclave, EnclavePlatform

DOCUMENT, ENVELOPE = "AttestationDocument", "CiphertextForRecipient"
"""The blobs that may be written as an enclave's."""

PEM = "pem"
_MOST_PCRS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """The certificates under which documents are believed (DER), and the scenario's own enclaves by name."""

    roots: frozenset[bytes] = frozenset()
    enclaves: Mapping[str, Enclave] = field(default_factory=dict)


def read_attestation(node: Node, findings: Findings) -> Attested:
    """What `attestation:` says."""
    # Cryptography, which most files are read without.
    from regionsim.hsm.algorithms.enclaves import EnclavePlatform

    found = read.fields(node, ATTESTATION, "attestation", findings)
    roots: frozenset[bytes] = frozenset()
    for item in read.items(found["roots"], "roots") if "roots" in found else ():
        roots |= findings.attempt(_roots, item) or frozenset()
    held = read.entries(found["enclaves"], "enclaves") if "enclaves" in found else {}
    if not held:
        return Attested(roots=roots)
    platform = EnclavePlatform()
    enclaves = {name: findings.attempt(_enclave, platform, entry, findings) for name, entry in held.items()}
    known = {name: enclave for name, enclave in enclaves.items() if enclave is not None}
    return Attested(roots=roots | {platform.root_der}, enclaves=MappingProxyType(known))


def named_enclave(node: Node, enclaves: Mapping[str, Enclave]) -> Enclave:
    """The enclave of the scenario that is named there."""
    name = read.text(node, "enclave")
    if name not in enclaves:
        hint = advice(name, enclaves) if enclaves else "describe it: attestation: {enclaves: {NAME: {image: ...}}}"
        raise node.position.error(f"there is no enclave {quoted(name)}", hint)
    return enclaves[name]


def pem_text(node: Node) -> str:
    """The text of a root: as it stands, under `pem:`, or in the file that `file:` names."""
    if not isinstance(node, MappingNode):
        return read.text(node, "a root")
    if list(node.entries) == [PEM]:
        return read.text(node.entries[PEM].value, PEM)
    if list(node.entries) != ["file"]:
        raise node.position.error("a root is no mapping of this kind", "write its PEM as text, or file: root.pem")
    name = read.text(node.entries["file"].value, "file")
    path = Path(node.position.path).parent / name
    if not path.is_file():
        raise node.position.error(f"there is no file {quoted(str(path))}", "it is looked for beside the scenario")
    return read_source(path, str(path))


def _roots(node: Node) -> frozenset[bytes]:
    from regionsim.hsm.algorithms.attestation import roots_in

    try:
        return roots_in(pem_text(node), "this")
    except ConfigError as mistake:
        what, _, hint = str(mistake).partition("; ")
        raise node.position.error(what, hint) from None


def _enclave(platform: EnclavePlatform, entry: Entry, findings: Findings) -> Enclave:
    name = entry.key.text
    found = read.fields(entry.value, ENCLAVE, f"enclave {name}", findings)
    held = read.entries(found["pcrs"], "pcrs") if "pcrs" in found else {}
    pcrs: dict[int, str | bytes] = {}
    for number, measured in held.items():
        if not number.isdecimal() or int(number) >= _MOST_PCRS:
            raise measured.key.position.error(
                f"there is no PCR {quoted(number)}", f"they count from 0 to {_MOST_PCRS - 1}"
            )
        pcrs[int(number)] = read.text(measured.value, f"PCR {number}")
    return platform.enclave(read.text(found["image"], "image"), pcrs=pcrs, module_id=f"i-0123456789abcdef0-{name}")
