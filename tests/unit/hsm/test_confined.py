"""What holds key bytes shows none of them and leaves by no copy."""

import copy
import pickle

import pytest

from regionsim.hsm.algorithms.p384 import P384Key
from regionsim.hsm.algorithms.symmetric import AeadKey, DataKeys
from regionsim.hsm.domain import DomainState
from regionsim.hsm.replication_keys import ClearMaterial
from regionsim.hsm.tokens import Unwrapped
from regionsim.runtime.entropy import SeededEntropy
from tests.unit.hsm.worlds import World, create, in_virtual_time

RAW = bytes(range(32))


def assert_confined(value: object) -> None:
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, lambda secret: pickle.dumps({"x": [secret]}, protocol=0)):
        with pytest.raises(TypeError, match="stays inside its HSM"):
            leave(value)


@pytest.mark.parametrize(
    "secret",
    [
        AeadKey(RAW),
        DataKeys(RAW),
        P384Key((7).to_bytes(48)),
        ClearMaterial(key_id="k", material_id="m", spec="s", raw=RAW),
        DomainState.found("us-east-1", 0, SeededEntropy(1).stream("s")),
        DomainState.found("us-east-1", 0, SeededEntropy(1).stream("s")).active,
    ],
    ids=lambda secret: type(secret).__name__,
)
def test_secrets_are_withheld(secret: object) -> None:
    assert repr(secret) == f"<{type(secret).__name__}, contents withheld>" == str(secret)
    assert_confined(secret)


def test_an_unwrapped_token_shows_its_label_only() -> None:
    assert repr(Unwrapped("SYMMETRIC_DEFAULT", RAW)) == "Unwrapped(label='SYMMETRIC_DEFAULT', secret withheld)"


@in_virtual_time
async def test_an_hsm_is_withheld_with_all_its_memory() -> None:
    fleet = await World().started()
    await create(fleet)
    (hsm,) = fleet.hsms
    assert_confined(hsm)
    with pytest.raises(TypeError):
        pickle.dumps(fleet)
    texts = repr(hsm) + repr(fleet) + repr(vars(hsm)) + repr(vars(fleet))
    secrets = list(hsm.secrets_for_scan())
    assert len(secrets) == 3
    assert not any(secret.hex() in texts or repr(secret)[2:-1] in texts for secret in secrets)
