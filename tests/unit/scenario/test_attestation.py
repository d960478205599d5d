"""`attestation:` of a scenario: roots, enclaves, and what calls and expectations make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import regionsim
from regionsim.scenario.embedding import with_policies_embedded
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import load_scenario, read_scenario
from regionsim.scenario.model import CallStep
from regionsim.scenario.parse import parse

PLATFORM = regionsim.EnclavePlatform()
HEAD = """\
regions: [us-east-1]
accounts: {"111122223333": {users: {alice: {policies: [{Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}}}}
"""
ENCLAVES = "attestation: {enclaves: {billing: {image: billing 1.0, pcrs: {8: team}}}}\n"
CALL = (
    "steps: [{as: alice, in: us-east-1, call: {GenerateRandom: {NumberOfBytes: 8, Recipient: {AttestationDocument: "
    "{enclave: billing}, KeyEncryptionAlgorithm: RSAES_OAEP_SHA_256}}}, expect: {%s}}]\n"
)
SAY = "steps: [{say: hello}]\n"


def test_roots_are_certificates_in_the_file_or_beside_it(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(PLATFORM.root_pem)
    other = regionsim.EnclavePlatform()
    pem = "\n".join(f"        {line}" for line in other.root_pem.splitlines())
    text = f"{HEAD}attestation:\n  roots:\n    - file: root.pem\n    - |\n{pem}\n{SAY}"
    (tmp_path / "scenario.yaml").write_text(text)
    world = load_scenario(tmp_path / "scenario.yaml").world
    assert world.attestation_roots == {PLATFORM.root_der, other.root_der}


@pytest.mark.parametrize("style", ["block", "flow"])
def test_a_failure_file_has_its_roots_in_it(tmp_path: Path, style: str) -> None:
    (tmp_path / "root.pem").write_text(PLATFORM.root_pem)
    written = {
        "block": "attestation:\n  roots:\n    - file: root.pem\n",
        "flow": "attestation: {roots: [{file: root.pem}]}\n",
    }
    text = HEAD + written[style] + SAY
    embedded = with_policies_embedded(text, parse(text, str(tmp_path / "scenario.yaml")))
    assert "root.pem" not in embedded
    assert read_scenario(embedded, "elsewhere.yaml").world.attestation_roots == {PLATFORM.root_der}


def test_enclaves_are_of_a_platform_that_the_world_believes() -> None:
    scenario = read_scenario(HEAD + ENCLAVES + CALL % "Plaintext: null", "x.yaml")
    assert len(scenario.world.attestation_roots) == 1
    (step,) = scenario.steps
    assert isinstance(step, CallStep)
    enclave = step.call.parameters["Recipient"]["AttestationDocument"].enclave
    assert enclave.module_id == "i-0123456789abcdef0-billing"
    assert not read_scenario(HEAD + SAY, "x.yaml").world.attestation_roots


def test_an_expectation_that_is_not_met_says_so(tmp_path: Path) -> None:
    wanted = "CiphertextForRecipient: {enclave: billing, holds: eightby}"
    (tmp_path / "x.yaml").write_text(HEAD + ENCLAVES + CALL % wanted)
    result = regionsim.run(tmp_path / "x.yaml")
    assert result.verdict == "failed"
    (expectation,) = result.expectations
    found = expectation.message.removeprefix("CiphertextForRecipient: enclave 'billing' was to find 'eightby', ")
    assert found.startswith("got an envelope in which it finds the bytes ")
    assert len(bytes.fromhex(found.rpartition(" ")[2])) == 8


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("attestation: {root: []}\n" + SAY, "attestation has no key 'root'; did you mean 'roots'?"),
        ("attestation: {roots: [nothing]}\n" + SAY, "this holds no certificate of a root; a root is written in PEM"),
        ("attestation: {roots: [{fil: none.pem}]}\n" + SAY, "a root is no mapping of this kind; write its PEM"),
        ("attestation: {roots: [{file: none.pem}]}\n" + SAY, "there is no file 'none.pem'; it is looked for"),
        ("attestation: {enclaves: {a: {}}}\n" + SAY, "enclave a has no 'image'"),
        (
            "attestation: {enclaves: {a: {image: x, pcrs: {32: y}}}}\n" + SAY,
            "there is no PCR '32'; they count from 0 to 31",
        ),
        ("attestation: {enclaves: {a: {image: x, pcrs: {1: 2}}}}\n" + SAY, "PCR 1 must be text"),
        (CALL % "Plaintext: null", "there is no enclave 'billing'; describe it"),
        (
            ENCLAVES.replace("billing:", "biling:") + CALL % "Plaintext: null",
            "there is no enclave 'billing'; did you mean 'biling'?",
        ),
        (ENCLAVES + CALL % "CiphertextForRecipient: {enclave: billing}", "CiphertextForRecipient has no 'holds'"),
        (
            ENCLAVES + CALL.replace("{enclave: billing}", "{enclav: billing}") % "Plaintext: null",
            "AttestationDocument has no 'enclav'; did you mean 'enclave'?",
        ),
    ],
)
def test_mistakes_say_where_and_what(text: str, what: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(HEAD + text, "x.yaml")
    assert what in str(caught.value)
    assert caught.value.line >= 3
