"""The ceiling of what is no symmetric encryption: the same cryptography with a key of the same spec, and nothing else.

The key is taken up once, as an HSM keeps it; each call hashes its message, draws what it needs, and no more. What it
costs in processor time, beside what a call costs, says how much of a call is the service. Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regionsim.bench.operations import PLAINTEXT, Measured, Stock
from regionsim.hsm.algorithms.key_pair import AgreeingPair, Draws, EncapsulatingPair, EncryptingPair, SigningPair
from regionsim.hsm.algorithms.key_pairs import key_pair, new_private_key
from regionsim.hsm.algorithms.macs import MacKey, mac_key_bytes
from regionsim.kms.key_specs import KeySpec, is_mac
from regionsim.kms.signatures import MessageType
from regionsim.runtime.clock import cpu_ns
from regionsim.runtime.entropy import Stream

Bare = Callable[[], object]

_LONGEST_NS = 20_000_000
"""A round measures for so long at most, but for the last call."""


def bare_calls(measured: list[Measured], stream: Stream) -> Mapping[str, Bare]:
    """For each operation with a key of its own: its cryptography alone, to be called as often as wanted."""
    draws = Draws(stream=stream, is_seeded=False)
    keys: dict[KeySpec, bytes] = {}
    found: dict[str, Bare] = {}
    for one in measured:
        if one.own_key is None:
            continue
        spec = KeySpec(one.own_key.spec)
        if spec not in keys:
            keys[spec] = stream.bytes(mac_key_bytes(spec)) if is_mac(spec) else new_private_key(spec, draws)
        found[one.name] = _bare_call(one, spec, keys[spec], draws)
    return found


def bare_cost_ns(call: Bare, duration_ns: int) -> float:
    """The processor time of one call, as the mean of those that fit into that time, or into a few milliseconds."""
    began_ns, count, spent_ns = cpu_ns(), 0, 0
    while not count or spent_ns < min(duration_ns, _LONGEST_NS):
        call()
        count += 1
        spent_ns = cpu_ns() - began_ns
    return spent_ns / count


def _bare_call(one: Measured, spec: KeySpec, key: bytes, draws: Draws) -> Bare:
    asked = one.parameters(Stock(key_ids=(), ciphertexts=(), own_key_id="", made=_Nothing()), 0)
    if is_mac(spec):
        return _of_mac(one.operation, MacKey(spec, key))
    pair = key_pair(spec, key)
    match pair:
        case SigningPair() if "SigningAlgorithm" in asked:
            return _of_signatures(one.operation, pair, asked["SigningAlgorithm"], draws)
        case EncryptingPair() if "EncryptionAlgorithm" in asked:
            return _of_encryption(one.operation, pair, asked["EncryptionAlgorithm"], draws)
        case AgreeingPair() if "KeyAgreementAlgorithm" in asked:
            peer = key_pair(spec, new_private_key(spec, draws)).public_key()
            return lambda: pair.agree(peer)
        case EncapsulatingPair():
            capsule = pair.encapsulate().ciphertext
            return pair.encapsulate if one.operation == "Encapsulate" else lambda: pair.decapsulate(capsule)
        case _:
            return pair.public_key


def _of_mac(operation: str, key: MacKey) -> Bare:
    mac = key.mac(PLAINTEXT)
    return (lambda: key.mac(PLAINTEXT)) if operation == "GenerateMac" else lambda: key.is_mac(PLAINTEXT, mac)


def _of_signatures(operation: str, pair: SigningPair, algorithm: str, draws: Draws) -> Bare:
    signature = pair.sign(algorithm, MessageType.RAW, PLAINTEXT, draws)
    if operation == "Sign":
        return lambda: pair.sign(algorithm, MessageType.RAW, PLAINTEXT, draws)
    return lambda: pair.is_signature(algorithm, MessageType.RAW, PLAINTEXT, signature)


def _of_encryption(operation: str, pair: EncryptingPair, algorithm: str, draws: Draws) -> Bare:
    ciphertext = pair.encrypt(algorithm, PLAINTEXT, draws)
    if operation == "Encrypt":
        return lambda: pair.encrypt(algorithm, PLAINTEXT, draws)
    return lambda: pair.decrypt(algorithm, ciphertext)


class _Nothing(dict[str, bytes]):
    """What was made beforehand, where only the other parameters of a call are of interest."""

    def __missing__(self, name: str) -> bytes:
        return b""
