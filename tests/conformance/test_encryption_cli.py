"""The AWS Encryption SDK's command line: files sealed under a multi-Region key, opened in another Region."""

import pytest

from tests.conformance.external import multi_region_key, need_program, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def cli(world, tmp_path):
    program = need_program("aws-encryption-cli")

    def ask(*words):
        return run([program, "--suppress-metadata", *words], world, tmp_path)

    return ask


def test_a_file_is_opened_in_the_other_region(cli, world, tmp_path):
    us, eu = multi_region_key(world)
    (tmp_path / "plain").write_bytes(b"order \x00 4711")
    sealing = ("--encryption-context", "shop=7", "--wrapping-keys", f"key={us}")
    done = cli("--encrypt", "--input", "plain", "--output", "sealed", *sealing)
    assert done.returncode == 0, done.stderr
    opening = ("--decrypt", "--input", "sealed", "--output", "opened", "--wrapping-keys")
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert "Connection was closed" in cli(*opening, f"key={us}").stderr
        for keys in ((f"key={eu}",), ("discovery=true", "region=eu-west-1")):
            done = cli(*opening, *keys)
            assert (done.returncode, (tmp_path / "opened").read_bytes()) == (0, b"order \x00 4711"), done.stderr
            (tmp_path / "opened").unlink()
