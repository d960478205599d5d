"""The README's examples of clients that go on without us-east-1 run as they are pasted."""

import base64
import json
import shutil
import subprocess

import pytest

from tests.conformance.external import (
    NODE,
    PROGRAMS,
    environment,
    missing,
    multi_region_key,
    need_node,
    need_package,
    need_program,
    run,
)
from tests.house.test_readme import block

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ORDER, SECRETS = "order 4711", "password: correct horse\n"


def test_the_cli_and_sops(world, tmp_path):
    need_program("aws")
    need_program("sops")
    if shutil.which("curl") is None:
        missing("curl", "install curl")
    (tmp_path / "order.txt").write_text(ORDER)
    (tmp_path / "secrets.yaml").write_text(SECRETS)
    settings = environment(world, tmp_path)
    settings["PATH"] = f"{PROGRAMS}:{settings['PATH']}"
    command = ["bash", "-e", "-u", "-o", "pipefail", "-c", block("example: cli failover")]
    done = subprocess.run(
        command, env=settings, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    begun, rest = done.stdout.split(SECRETS)
    assert json.loads(begun)["id"] == "region_outage"
    opened, ended = rest[: len(ORDER)], rest[len(ORDER) :]
    assert (opened, json.loads(ended)) == (ORDER, {"ended": "all"})
    assert "Connection was closed" in done.stderr  # us-east-1 was asked first


def test_the_sdk_for_javascript(world, tmp_path):
    node = need_node()
    arn, _ = multi_region_key(world)
    blob = base64.b64encode(world.client().encrypt(KeyId=arn, Plaintext=ORDER.encode())["CiphertextBlob"]).decode()
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    call = f"\nconsole.log((await decrypt(Buffer.from('{blob}', 'base64'))).toString())\n"
    (tmp_path / "failover.mjs").write_text(block("example: javascript failover") + call)
    with world.fault("region_outage", region="us-east-1"):
        done = run([node, "failover.mjs"], world, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{ORDER}\n"), done.stderr
    assert [event["awsRegion"] for event in world.events(event="Decrypt")] == ["eu-west-1"]


def test_the_encryption_sdk_for_python(world, monkeypatch):
    need_package("aws_encryption_sdk")
    need_package("aws_cryptographic_material_providers.mpl")
    for name, value in {**world.environment, "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    example = {}
    exec(compile(block("example: encryption sdk failover"), "README.md", "exec"), example)  # noqa: S102 - our own page
    arn, _ = multi_region_key(world)
    sealed, _ = example["sdk"].encrypt(source=ORDER.encode(), keyring=example["keyring"](arn, "us-east-1"))
    with world.fault("region_outage", region="us-east-1"):
        assert example["decrypt"](sealed, arn) == ORDER.encode()
    assert [event["awsRegion"] for event in world.events(event="Decrypt")] == ["eu-west-1"]
