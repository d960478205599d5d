"""Calls whose parameters are drawn from AWS's model: each is answered or refused in AWS's words, and no refusal changes
anything.

Values are plausible as often as not: ids of keys that are there, blobs that KMS gave out, numbers at their bounds.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from regionsim.kms.errors import KmsError, ServerFault
from regionsim.kms.key_specs import USES, KeySpec
from regionsim.kms.model import Shape, ShapeType, model
from regionsim.kms.operations.registry import REGISTRY
from regionsim.kms.shapes import problems
from regionsim.kms.writes import PutKey, PutKeyStore, PutToken, PutTombstone, Write
from tests.simulation.contents import contents
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region
from tests.simulation.test_one_region_shapes import faults

SELDOM = {"DryRun": 0.05, "GrantTokens": 0.03, "Recipient": 0.03, "EncryptionContext": 0.1, "Marker": 0.1}
"""How often an optional parameter is given, where it would stop most calls."""

WEARING = frozenset({"DisableKey", "ScheduleKeyDeletion", "DeleteImportedKeyMaterial"})
"""Operations after which most others are refused; called one time of ten of the others."""

TOO_SLOW = frozenset({"RSA_3072", "RSA_4096"})
BOB = f"arn:aws:iam::{HOME}:user/bob"
KINDS = (
    {},
    {"MultiRegion": True},
    {"Origin": "EXTERNAL"},
    {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
    {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    {"KeySpec": "ECC_NIST_P384", "KeyUsage": "KEY_AGREEMENT"},
    {"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"},
    {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    {"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"},
    {"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
)


class Drawer:
    """Draws parameters; what earlier calls gave is used again."""

    def __init__(self, seed: int, key_ids: list[str]) -> None:
        self.random = random.Random(seed)
        self.key_ids = key_ids
        self.specs: dict[str, KeySpec] = {}
        self.blobs: list[bytes] = [b"x", bytes(64), bytes(32), b"\x01\x02\x02\x00\x78" + bytes(200)]
        self.texts: list[str] = ["alias/one", BOB, "eu-west-1", "default", "none", ""]

    def parameters(self, operation: str) -> dict[str, Any]:
        shape = model().shapes[model().operations[operation].input or ""]
        return self.structure(shape)

    def structure(self, shape: Shape) -> dict[str, Any]:
        drawn = {}
        for name, member in shape.members.items():
            if name in shape.required or self.random.random() < SELDOM.get(name, 0.4):
                drawn[name] = self.value(name, model().shapes[member])
        self._make_fit(drawn)
        if shape.required and self.random.random() < 0.03:
            drawn.pop(self.random.choice(sorted(shape.required)))
        return drawn

    def _make_fit(self, drawn: dict[str, Any]) -> None:
        """Let algorithms be the key's own more often than chance would, and the rest go with them."""
        spec = self.specs.get(str(drawn.get("KeyId", "")).rpartition("/")[2].removeprefix("of-"))
        if spec is None or self.random.random() < 0.3:
            return
        for name in ("EncryptionAlgorithm", "SigningAlgorithm", "MacAlgorithm"):
            if name in drawn:
                drawn[name] = self.random.choice(self.random.choice(USES[spec]).algorithms)
        if "MessageType" in drawn and drawn["MessageType"] != "RAW":
            drawn["Message"] = bytes(self.random.choice((32, 48, 64)))

    def value(self, name: str, shape: Shape) -> Any:
        choose = self.random.choice
        match shape.type:
            case ShapeType.STRUCTURE | ShapeType.LIST | ShapeType.MAP:
                return self.several(name, shape)
            case ShapeType.BLOB:
                return choose(self.blobs) if self.random.random() < 0.8 else self.random.randbytes(choose((1, 48, 300)))
            case ShapeType.INTEGER:
                return choose((1, 2, 7, 30, 32, 90, 365, 1000, 1024, 0, 5000))
            case ShapeType.BOOLEAN:
                return choose((True, False))
            case ShapeType.TIMESTAMP:
                return 1_767_225_600.0 + choose((-1, 1, 30, 400)) * 86_400
            case _ if shape.enum:
                usual = [one for one in shape.enum if one not in TOO_SLOW]
                return choose(usual) if self.random.random() < 0.97 else "NONE_OF_THEM"
            case _:
                return self.text(name)

    def several(self, name: str, shape: Shape) -> Any:
        choose = self.random.choice
        if shape.type is ShapeType.STRUCTURE:
            return self.structure(shape)
        if shape.type is ShapeType.MAP:
            return {choose("abc"): choose(("", "b", "c" * 400)) for _ in range(choose((0, 1, 2)))}
        element = model().shapes[shape.element or ""]
        return [self.value(name, element) for _ in range(choose((0, 1, 1, 2, 3)))]

    def text(self, name: str) -> str:
        choose = self.random.choice
        if "KeyId" in name and self.random.random() < 0.9:
            key_id = choose(self.key_ids)
            return choose((key_id, key_id, f"arn:aws:kms:{HERE}:{HOME}:key/{key_id}", f"alias/of-{key_id}"))
        if "Region" in name:
            return choose(("eu-west-1", HERE, "cn-north-1", "nowhere-1"))
        if "Principal" in name:
            return choose((BOB, "s3.amazonaws.com", "nobody"))
        if name == "Policy":
            return choose(("{}", '{"Version":"2012-10-17","Statement":[]}', "no policy"))
        return choose((*self.texts, "alias/two", "text"))

    def learn(self, response: dict[str, Any]) -> None:
        """Keep what a response gives, for later calls."""
        for value in response.values():
            if isinstance(value, bytes):
                self.blobs = [*self.blobs[:4], *self.blobs[4:][-40:], value]
            elif isinstance(value, str) and len(value) < 400:
                self.texts = [*self.texts[:6], *self.texts[6:][-30:], value]


async def at_rest(kms: OneRegion) -> list[Write]:
    """What the Region's file holds and nothing changes by itself: related keys and key stores go on meanwhile."""
    writes, *_ = await contents(kms)
    return [write for write in writes if not isinstance(write, PutKeyStore | PutTombstone) and not _is_related(write)]


def _is_related(write: Write) -> bool:
    match write:
        case PutKey(key=named) | PutToken(material=named):
            return named.key_id.startswith("mrk-")
        case _:
            return False


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 11))])
@one_region(regions=(HERE, "eu-west-1"))
async def test_random_calls_are_answered_or_refused(kms: OneRegion, seed: int) -> None:
    key_ids = [await kms.create_key("alice", **kind) for kind in KINDS]
    drawer = Drawer(seed, key_ids)
    drawer.specs = {key_id: kms.key(key_id).shared.spec for key_id in key_ids}
    for key_id in key_ids[:3]:
        await kms.call("alice", "CreateAlias", AliasName=f"alias/of-{key_id}", TargetKeyId=key_id)
    answered, codes = set(), set()
    before: list[Write] = []
    for number in range(1500):
        operation = drawer.random.choice(sorted(REGISTRY))
        if operation in WEARING and drawer.random.random() < 0.9:
            continue
        parameters = drawer.parameters(operation)
        caller = drawer.random.choice(("alice",) * 8 + ("zoe", "bob"))
        before = before or await at_rest(kms)
        try:
            response = await kms.call(caller, operation, **parameters)
        except KmsError as refusal:
            assert not isinstance(refusal, ServerFault), (number, operation, parameters, refusal.code)
            if problems(operation, parameters):
                assert refusal.code in ("ValidationException", "SerializationException"), (operation, parameters)
            assert await at_rest(kms) == before, (number, operation, parameters)
            codes.add(refusal.code)
        else:
            before = []
            answered.add(operation)
            output = model().operations[operation].output
            assert output is None or faults(output, response, operation) == []
            drawer.learn(response)
            if operation == "CreateKey":
                drawer.key_ids.append(response["KeyMetadata"]["KeyId"])
    assert len(answered) >= 30, sorted(answered)
    assert len(codes) >= 12, sorted(codes)
