"""kill -9 while clients write: what was acknowledged is there afterwards. And the gentle end, under the same load."""

import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.conformance.clients import client
from tests.conformance.test_boto3 import wait_until
from tests.conformance.test_serve_command import Served

REGIONS = ("us-east-1", "eu-west-1")
ONCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
WRITERS = 3
KILLS = int(os.environ.get("REGIONSIM_KILLS", "12"))


class Acknowledged:
    """What one key was told to be, and the Region said yes to."""

    def __init__(self, key_id):
        self.key_id = key_id
        self.policies = ["key-default-1"]
        """Ids: of the last that was acknowledged, and behind it one whose answer never came."""
        self.rotations = 0
        self.grants, self.aliases, self.ciphertexts = [], [], []
        self.is_replicated = False


class Load:
    """Clients that write until the server is gone, and have begun; `keys` is what was acknowledged."""

    def __init__(self, served):
        self.served = served
        self.keys = []
        self.has_begun, self.is_over = threading.Event(), threading.Event()
        self.mistakes = []
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        for thread in self._threads:
            thread.start()
        assert self.has_begun.wait(timeout=30)

    def end(self):
        self.is_over.set()
        for thread in self._threads:
            thread.join(timeout=30)
        assert self.mistakes == []

    def _write(self, number):
        kms = client(self.served.ready["endpoint"], config=ONCE)
        try:
            for turn in itertools.count():
                if self.is_over.is_set():
                    return
                self._one_key(kms, f"{number}-{turn}")
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError):
                self.mistakes.append(str(error))

    def _one_key(self, kms, name):
        made = kms.create_key(MultiRegion=True, Description=name)["KeyMetadata"]
        key = Acknowledged(made["KeyId"])
        self.keys.append(key)
        self.has_begun.set()
        key.ciphertexts.append((name, kms.encrypt(KeyId=key.key_id, Plaintext=name.encode())["CiphertextBlob"]))
        kms.create_alias(AliasName=f"alias/{key.key_id}", TargetKeyId=key.key_id)
        key.aliases.append(f"alias/{key.key_id}")
        user = "arn:aws:iam::000000000000:user/admin"
        granted = kms.create_grant(KeyId=key.key_id, GranteePrincipal=user, Operations=["Decrypt"])
        key.grants.append(granted["GrantId"])
        policy = json.loads(kms.get_key_policy(KeyId=key.key_id)["Policy"])
        for turn in range(2):
            policy["Id"] = f"policy-{turn}"
            key.policies.append(policy["Id"])
            kms.put_key_policy(KeyId=key.key_id, Policy=json.dumps(policy))
            key.policies = key.policies[-1:]
        kms.rotate_key_on_demand(KeyId=key.key_id)
        key.rotations += 1
        key.ciphertexts.append((name, kms.encrypt(KeyId=key.key_id, Plaintext=name.encode())["CiphertextBlob"]))
        kms.replicate_key(KeyId=key.key_id, ReplicaRegion="eu-west-1")
        key.is_replicated = True


def require(served, keys):
    """Every one of these keys is as it was acknowledged, in both Regions."""
    kms, europe = (client(served.ready["endpoint"], region, config=ONCE) for region in REGIONS)
    for key in keys:
        assert kms.describe_key(KeyId=key.key_id)["KeyMetadata"]["KeyState"] == "Enabled"
        for alias in key.aliases:
            assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == key.key_id
        found = {grant["GrantId"] for grant in kms.list_grants(KeyId=key.key_id)["Grants"]}
        assert found >= set(key.grants)
        assert json.loads(kms.get_key_policy(KeyId=key.key_id)["Policy"])["Id"] in key.policies
        assert len(kms.list_key_rotations(KeyId=key.key_id)["Rotations"]) >= key.rotations
        for text, blob in key.ciphertexts:
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == text.encode()
        if key.is_replicated:
            wait_until(lambda key_id=key.key_id: is_enabled(europe, key_id), within_s=20)
            for text, blob in key.ciphertexts:
                assert europe.decrypt(CiphertextBlob=blob)["Plaintext"] == text.encode()


def is_enabled(kms, key_id):
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


def require_sound(folder):
    """SQLite finds nothing wrong with what the kill left."""
    for region in REGIONS:
        with closing(sqlite3.connect(folder / f"{region}.sqlite")) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert store.execute("PRAGMA foreign_key_check").fetchall() == []


def serve(folder, processes=1):
    return Served("--regions", ",".join(REGIONS), "--data", str(folder), "--processes", str(processes))


def long(*values):
    return pytest.param(*values, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])


@pytest.mark.parametrize(("kills", "processes"), [(1, 1), long(KILLS, 1), long(3, 2)])
def test_what_was_acknowledged_outlives_kill_9(tmp_path, kills, processes):
    moments = random.Random(kills)
    keys = []
    for _ in range(kills):
        with serve(tmp_path, processes) as served:
            require(served, moments.sample(keys, min(len(keys), 5)))
            load = Load(served)
            time.sleep(moments.uniform(0.05, 0.8))
            served.process.kill()
            load.end()
        assert served.process.returncode == -signal.SIGKILL
        require_sound(tmp_path)
        keys += load.keys
    assert len(keys) >= kills
    with serve(tmp_path, processes) as served:
        require(served, keys)
        assert served.end(signal.SIGTERM) == (0, "")


@pytest.mark.slow
def test_a_gentle_end_is_quick_under_load_and_keeps_everything(tmp_path):
    with serve(tmp_path) as served:
        load = Load(served)
        time.sleep(0.5)
        began = time.monotonic()
        assert served.end(signal.SIGTERM) == (0, "")
        assert time.monotonic() - began < 5
        load.end()
    assert load.keys
    with serve(tmp_path) as served:
        require(served, load.keys)


@pytest.mark.slow
def test_one_folder_has_one_server(tmp_path):
    with serve(tmp_path) as served:
        words = [sys.executable, "-m", "regionsim", "serve", "--port", "0", "--data", str(tmp_path)]
        second = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr == (
            f"another regionsim serves the data in '{tmp_path}'; stop it first, or give another folder\n"
        )
        client(served.ready["endpoint"]).list_keys()
        served.process.kill()
        served.process.wait()
    with serve(tmp_path) as served:  # whoever was killed holds it no more
        client(served.ready["endpoint"]).list_keys()


@pytest.mark.slow
def test_accounts_and_keys_come_from_the_command_line(tmp_path):
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        '"111122223333":\n'
        '  users: {alice: {policies: [{Statement: [{Effect: Allow, Action: "kms:ListKeys", Resource: "*"}]}]}}\n'
        "  access_keys: {AKIAALICE: {user: alice, secret: correct-horse}}\n"
    )
    more = ["--access-key", "AKIAROOT:a:b@c", "--access-key", "AKIAOTHER:s@444455556666"]
    with Served("--accounts", str(accounts), *more) as served:
        url = served.ready["endpoint"]
        assert list(served.ready["regions"]) == ["us-east-1", "eu-west-1", "ap-southeast-2"]
        assert client(url, key=("AKIAALICE", "correct-horse")).list_keys()["Keys"] == []
        with pytest.raises(ClientError, match="not authorized to perform: kms:CreateKey"):
            client(url, key=("AKIAALICE", "correct-horse")).create_key()
        arns = [
            client(url, key=key).create_key()["KeyMetadata"]["Arn"]
            for key in (("AKIAROOT", "a:b@c"), ("AKIAOTHER", "s"))
        ]
        assert [arn.split(":")[4] for arn in arns] == ["111122223333", "444455556666"]
        with pytest.raises(ClientError, match="security token included in the request is invalid"):
            client(url).list_keys()  # with a file of accounts nobody is there unasked
