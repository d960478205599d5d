"""Secrets stay inside HSMs: a secret on a link, in a file or in the trace is found in every form, and nothing else is."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from regionsim.invariants.secrets_inside import _forms, _holds_any, _Kept
from regionsim.network.envelope import Envelope
from regionsim.store.values import Commit, OutboxEntry
from tests.simulation.many_regions import EU, US, Play
from tests.unit.invariants.broken_worlds import failed, findings_of

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda secret: secret,
    "hexadecimal": lambda secret: secret.hex().encode(),
    "base64": base64.b64encode,
}


def a_backing_key(world: Play, region: str = US) -> bytes:
    """A backing key as the fleet's HSMs hold it: not one of the domain's secrets, which were there before."""
    return list(world.region(region).fleet.secrets_for_scan())[-1]


async def a_life(world: Play) -> str:
    key_id = await world.multi_region_key(US, EU)
    blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    await world.call(EU, "Decrypt", CiphertextBlob=blob)
    return key_id


def test_a_world_that_works_lets_nothing_out(tmp_path: Path) -> None:
    finding = findings_of(a_life, tmp_path)["secrets_stay_inside_hsms"]
    assert finding.passed
    assert finding.checked > 50
    assert finding.detail == ""


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_on_a_link_is_found_even_when_the_envelope_is_lost(tmp_path: Path, form: str) -> None:
    async def script(world: Play) -> None:
        await a_life(world)
        body = b"before" + FORMS[form](a_backing_key(world)) + b"after"
        world.simulation.network.detach(EU)
        world.simulation.network.send(Envelope(id=1, sender=US, receiver=EU, body=body))

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"secrets_stay_inside_hsms"}
    assert "a link" in findings["secrets_stay_inside_hsms"].detail


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [f"{EU}.sqlite", "core.dump"])
def test_a_secret_in_a_file_is_found(tmp_path: Path, form: str, name: str) -> None:
    async def script(world: Play) -> None:
        await a_life(world)
        with (world.simulation.folder / name).open("ab") as file:
            file.write(b"before" + FORMS[form](a_backing_key(world)) + b"after")

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"secrets_stay_inside_hsms"}
    assert findings["secrets_stay_inside_hsms"].detail == f"a secret of an HSM was found in {name}"


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_was_only_committed_yet_is_found_in_the_log(tmp_path: Path, form: str) -> None:
    async def script(world: Play) -> None:
        key_id = await a_life(world)
        body = FORMS[form](a_backing_key(world))
        leak = OutboxEntry(destination=US, key_id=key_id, kind="leak", shared_version=1, since_ns=0, body=body)
        await world.region(EU).store.commit(Commit(outbox=(leak,)))

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"secrets_stay_inside_hsms"}
    assert findings["secrets_stay_inside_hsms"].detail == f"a secret of an HSM was found in {EU}.sqlite-wal"


@pytest.mark.parametrize("form", ["hexadecimal", "base64"])
def test_a_secret_in_the_trace_is_found(tmp_path: Path, form: str) -> None:
    async def script(world: Play) -> None:
        await a_life(world)
        text = FORMS[form](a_backing_key(world)).decode()
        world.simulation.trace.emit(US, "careless", note=f"made {text}")

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"secrets_stay_inside_hsms"}
    assert findings["secrets_stay_inside_hsms"].detail == "a secret of an HSM was found in the trace"


def test_a_domain_key_counts_as_a_secret(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        domain_secret = next(iter(world.region(EU).fleet.secrets_for_scan()))
        world.simulation.trace.emit(EU, "careless", note=domain_secret.hex())

    assert failed(findings_of(script, tmp_path)) == {"secrets_stay_inside_hsms"}


def test_with_too_much_to_search_a_part_is_searched_and_the_finding_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regionsim.invariants.secrets_inside._BYTES_SEARCHED_AT_MOST", 5_000_000)
    finding = findings_of(a_life, tmp_path)["secrets_stay_inside_hsms"]
    assert finding.passed
    assert finding.detail.startswith("one in ")
    assert finding.checked > 0


def test_only_so_much_of_links_and_trace_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionsim.invariants.secrets_inside._KEPT_AT_MOST", 10)

    async def script(world: Play) -> None:
        await a_life(world)
        assert world.simulation.trace.digest, "what there is is handed over"
        world.simulation.trace.emit(US, "careless", note=a_backing_key(world).hex())

    finding = findings_of(script, tmp_path)["secrets_stay_inside_hsms"]
    assert finding.passed
    links, trace = finding.detail.split("; ")
    assert re.fullmatch(r"only the first [\d,]+ bytes of links were searched", links)
    assert re.fullmatch(r"only the first [\d,]+ bytes of the trace were searched", trace)


def test_a_secret_that_its_hsms_have_forgotten_since_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.call(US, "CreateKey")  # in one Region: nobody else has it
        secret = a_backing_key(world)
        for index in range(3):
            world.region(US).fleet.zeroise(index)
        world.simulation.trace.emit(EU, "careless", note=secret.hex())

    assert failed(findings_of(script, tmp_path)) == {"secrets_stay_inside_hsms"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block_bytes", [7, 64, 65, 1000])
def test_a_secret_that_lies_across_blocks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, block_bytes: int
) -> None:
    monkeypatch.setattr("regionsim.invariants.secrets_inside._BLOCK_BYTES", block_bytes)
    secret = bytes(range(32))
    path = tmp_path / "file"
    path.write_bytes(bytes(50) + FORMS[form](secret) + bytes(50))
    assert _holds_any(path, [tuple(_forms(secret))])
    assert not _holds_any(path, [tuple(_forms(secret[::-1]))])


def test_what_was_heard_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionsim.invariants.secrets_inside._BLOCK_BYTES", 10)
    kept = _Kept("links", tmp_path / "links")
    parts = [bytes([number]) * number for number in range(20)]
    for part in parts:
        kept.add(part)
    assert kept.kept().read_bytes() == b"".join(parts)
    assert not kept.is_cut
