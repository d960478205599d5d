"""No backing key and no domain key leaves the HSMs, and no secret of a custom key store is kept: every byte of every
file, link, trace and transcript is searched.

Done for each shipped scenario as a whole, apart from the invariant that looks at every run: that one is the product's, this one
shares nothing with it but the hook inside the HSM.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from regionsim.runtime.trace import JsonLinesSink, Trace
from regionsim.runtime.virtual_loop import VirtualLoop, run_virtual
from regionsim.scenario.library import shipped_paths
from regionsim.scenario.load import load_scenario
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import CallStep, Scenario
from regionsim.scenario.play import Player
from regionsim.scenario.transcript import Transcript
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation

NAMES = sorted(shipped_paths())

NOTHING_REPLICATED = frozenset(
    {
        "access-control-tour",
        "asymmetric-encryption",
        "attested-enclaves",
        "confused-deputy",
        "cross-account-sharing",
        "custom-key-store-disconnect",
        "database-that-lost-its-key",
        "deletion-found-by-a-service",
        "each-kind-of-key",
        "ebs-volume-will-not-attach",
        "every-way-a-key-fails",
        "external-key-manager-outage",
        "key-agreement",
        "key-store-prerequisites",
        "lockout-refused",
        "organization-levels",
        "quickstart",
        "retry-storm-on-recovery",
        "s3-bucket-keys",
        "services-that-call",
        "signing-keys",
        "three-kinds-of-keys",
        "throttled-region",
        "what-services-users-see",
        "zone-that-stops-validating",
    }
)


LONG = frozenset({"declared-lost", "hsm-fleet-loss", "planned-primary-move", "primary-outage", "rotation-year"})
"""Seconds each, and what they do others do, too; left out of the default suite."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in NAMES]
)
def test_no_secret_is_found_outside_the_hsms(name: str, tmp_path: Path) -> None:
    secrets, places = play_and_keep(name, tmp_path)

    assert len(secrets) >= 3, "there is something to look for"  # one Region with one key
    assert sum(path.endswith(".sqlite") for path in places) >= 1
    assert places["trace"], "there is somewhere to look"
    assert places["links"] or name in NOTHING_REPLICATED
    found = [(place, form) for place, content in places.items() for form in forms_in(content, secrets)]
    assert not found, f"a secret of an HSM stands in {sorted({place for place, _ in found})}"


@pytest.mark.parametrize(
    "name", ["custom-key-store-disconnect", "external-key-manager-outage", "key-store-prerequisites"]
)
def test_what_the_scenario_tells_kms_is_searched_for(name: str) -> None:
    told = told_by(load_scenario(shipped_paths()[name]))
    assert told
    assert all(len(secret) >= 20 for secret in told), "long enough to be nowhere by chance"


def test_the_search_finds_what_is_there() -> None:
    secret = bytes(range(1, 33))
    hidden = {
        "raw": b"..." + secret + b"...",
        "hexadecimal": b'{"x":"' + secret.hex().encode() + b'"}',
        "capitals": secret.hex().upper().encode(),
        "base64": base64.b64encode(secret),
        "base64, shifted by one": base64.b64encode(b"x" + secret + b"yz"),
        "base64, shifted by two": base64.b64encode(b"xy" + secret + b"z"),
        "base64 for addresses": base64.urlsafe_b64encode(b"??>" + secret),
        "as Python shows it": repr(b"..." + secret).encode(),
    }
    for how, content in hidden.items():
        assert list(forms_in(content, {secret})), how
    assert not list(forms_in(b"nothing of the kind", {secret}))


def play_and_keep(name: str, folder: Path) -> tuple[set[bytes], Mapping[str, bytes]]:
    """Play a shipped scenario; the HSMs' secrets, and everything that was written, sent or told, by place."""
    scenario = load_scenario(shipped_paths()[name])
    loop = VirtualLoop()
    trace = Trace(lambda: loop.now_ns)
    data, links = folder / "data", bytearray()
    data.mkdir()
    secrets = told_by(scenario)
    places: dict[str, bytes] = {}

    async def main() -> None:
        ground = virtual_ground(seed=scenario.seed, start_at_ns=scenario.world.start_at_ns, folder=data, trace=trace)
        simulation = Simulation(scenario.world, ground)
        transcript = Transcript(scenario.world.regions, None)
        trace.add_sink(transcript.watch)
        simulation.network.tap(lambda envelope: links.extend(envelope.body))
        with JsonLinesSink(folder / "trace", {}) as sink:
            trace.add_sink(sink)
            await simulation.start()
            await Player(scenario, simulation, Ledger(), transcript).play()
            for region in simulation.regions.values():
                await region.flush_audit()
                secrets.update(bytes(secret) for secret in region.fleet.secrets_for_scan())
                secrets.update(simulation.key_stores[region.name].secrets_for_scan())
            # While the files are open, with their write-ahead logs, and once more when they are closed.
            places.update({file.name: file.read_bytes() for file in data.iterdir()})
            await simulation.stop()
        places.update({f"closed {file.name}": file.read_bytes() for file in data.iterdir()})
        places["trace"] = (folder / "trace").read_bytes()
        places["transcript"] = "\n".join(map(repr, transcript.lines)).encode()

    run_virtual(main(), loop=loop)
    assert any(name.endswith("-wal") for name in places), "the write-ahead logs were searched too"
    places["links"] = bytes(links)
    return secrets, places


def told_by(scenario: Scenario) -> set[bytes]:
    """The passwords and credentials that steps of the scenario tell KMS."""
    calls = [step.call.parameters for step in scenario.steps if isinstance(step, CallStep)]
    credentials = [call[name] for call in calls for name in call if name == "XksProxyAuthenticationCredential"]
    told = {*(call.get("KeyStorePassword") for call in calls), *(one["RawSecretAccessKey"] for one in credentials)}
    return {secret.encode() for secret in told if secret is not None}


def forms_in(content: bytes, secrets: set[bytes]) -> Iterator[bytes]:
    """The secrets that stand in `content`, in any form that text or bytes usually take."""
    for secret in secrets:
        if any(form in content for form in _forms(secret)):
            yield secret


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield repr(secret).encode()[2:-1]
    for shift in range(3):
        # Base64 of something longer: only the whole groups of four within the secret are certain.
        encoded = base64.b64encode(bytes(shift) + secret)
        certain = encoded[4 * (shift > 0) : len(encoded) // 4 * 4 - 4]
        yield certain
        yield certain.replace(b"+", b"-").replace(b"/", b"_")
