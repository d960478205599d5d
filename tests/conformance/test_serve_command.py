"""`regionsim serve` as a person starts it: a process of its own, its ready line, its end."""

import json
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from regionsim.cli.entry import main
from tests.conformance.clients import client

SHORT = """\
name: short
regions: [us-east-1, eu-west-1]
accounts: {"111122223333": {users: {alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}}}}
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {MultiRegion: true}}, save: {key: KeyMetadata.KeyId}}
  - {as: alice, in: us-east-1, call: {CreateAlias: {AliasName: alias/orders, TargetKeyId: $key}}}
  - {as: alice, in: us-east-1, ask: {sqs: {CreateQueue: {QueueName: jobs, KmsMasterKeyId: $key}}}}
  - {as: alice, in: eu-west-1, call: {ListKeys: {}}, expect: {"length(Keys)": 0}}
"""


class Served:
    """A server in a process of its own."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "regionsim", "serve", "--port", "0", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.ready = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, number):
        """Status and what stderr held."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=10)
        return self.process.returncode, err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_says_where_it_is_and_ends_when_told(number, status):
    with Served("--regions", "us-east-1,eu-west-1", "--account", "123456789012") as served:
        ready = served.ready
        assert ready["ready"] is True
        assert ready["admin"] == f"{ready['endpoint']}/_regionsim"
        assert list(ready["regions"]) == ["us-east-1", "eu-west-1"]
        assert client(ready["endpoint"], service="sts").get_caller_identity()["Account"] == "123456789012"
        assert served.end(number) == (status, "")


def test_a_scenario_is_a_world_and_its_timeline_is_played(tmp_path):
    (tmp_path / "short.yaml").write_text(SHORT)
    with Served(str(tmp_path / "short.yaml"), "--play") as served:
        told = [served.process.stderr.readline() for _ in range(5)]
        assert "CreateKey           alice MultiRegion=true: ok, saved $key" in told[0]
        assert told[4] == "the timeline has been played: all expectations held; the Regions go on\n"
        kms = client(served.ready["endpoint"])
        assert kms.describe_key(KeyId="alias/orders")["KeyMetadata"]["MultiRegion"]
        with urlopen(f"{served.ready['admin']}/metrics") as answer:
            assert (
                'regionsim_service_resource_up{service="sqs",region="us-east-1",resource="jobs"'
                in answer.read().decode()
            )


def test_an_odd_key_policy_is_taken_and_told_of_once():
    odd = {"Sid": "odd", "Effect": "Allow", "Principal": "*", "Action": "kms:Encrpyt", "Resource": "*"}
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, odd]})
    with Served("--regions", "us-east-1") as served:
        kms = client(served.ready["endpoint"])
        made = kms.create_key(Policy=policy)["KeyMetadata"]
        kms.update_key_description(KeyId=made["KeyId"], Description="the policy stays")
        kms.create_key()
        status, told = served.end(signal.SIGTERM)
        assert status == 0
        assert told == (
            f"warning: the policy of {made['Arn']} at $.Statement[1].Action: 'kms:Encrpyt' names no action of KMS; "
            "KMS accepts it all the same\n"
        )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--regions", "us-east-9"], "no such Region: 'us-east-9'; did you mean"),
        (["--port", "70000"], "a port is a whole number from 0 to 65535"),
        (["--host", "nowhere"], "'nowhere' is no address to listen on"),
        (["--host", "203.0.113.7", "--port", "0"], "cannot listen on 203.0.113.7"),
        (["--account", "12"], "'12' is not an account id"),
        (["--access-key", "AKIA"], "--access-key wants ID:SECRET"),
        (["--profile", "fast"], "no such profile: 'fast'"),
        (["--play"], "name the scenario"),
        (["--seal-key", "k"], "give --data, too"),
        (["--accounts", "/nonexistent"], "there is no such file"),
        (["--audit-keep", "soon"], "soon"),
        (["nothing.yaml"], "there is no such file"),
    ],
)
def test_wrong_options_are_one_message_and_status_2(words, told, capsys):
    assert main(["serve", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken(capsys):
    with Served() as served:
        port = served.ready["endpoint"].rpartition(":")[2]
        assert main(["serve", "--port", port]) == 2
    assert "Address already in use" in capsys.readouterr().err
