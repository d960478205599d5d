"""sops: a file of secrets whose data key KMS seals once for each Region, so that either Region opens it."""

import pytest

from tests.conformance.external import multi_region_key, need_program, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRETS = "database:\n    password: correct horse\n    port: 5432\n"


@pytest.fixture
def sops(world, tmp_path):
    program = need_program("sops")

    def ask(*words):
        done = run([program, *words], world, tmp_path)
        return done.returncode, done.stdout, done.stderr

    return ask


def test_a_file_is_opened_by_either_region_and_by_none_without(sops, world, tmp_path):
    (tmp_path / "secrets.yaml").write_text(SECRETS, encoding="utf-8")
    status, sealed, told = sops("--encrypt", "--kms", ",".join(multi_region_key(world)), "secrets.yaml")
    assert status == 0, told
    assert "correct horse" not in sealed
    (tmp_path / "sealed.yaml").write_text(sealed, encoding="utf-8")
    assert sops("--decrypt", "sealed.yaml")[:2] == (0, SECRETS)
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert sops("--decrypt", "sealed.yaml")[:2] == (0, SECRETS)
        (decrypted,) = world.events(event="Decrypt", region="eu-west-1")
        assert "errorCode" not in decrypted
        with world.fault("region_outage", region="eu-west-1", mode="refuse"):
            status, opened, told = sops("--decrypt", "sealed.yaml")
            assert status != 0
            assert "no KMS client could be accessed" in told
            assert "correct horse" not in opened + told
