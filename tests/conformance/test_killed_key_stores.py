"""kill -9 while clients make keys in custom key stores and encrypt under them: all that was answered opens afterwards."""

import json
import random
import threading
import time
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.conformance.clients import client
from tests.conformance.test_serve_command import Served
from tests.simulation.key_stores import ON_CLUSTER, ON_PROXY

ONCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})


class Writer:
    """Makes keys in both stores, and encrypts under each, until the server is gone."""

    def __init__(self, endpoint, stores, life):
        self.written = []
        self._kms, self._stores, self._life = client(endpoint, config=ONCE), stores, life
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self):
        try:
            for turn in range(1_000):
                for origin, store in self._stores.items():
                    more = {"XksKeyId": f"key-{self._life}-{turn}"} if origin == "EXTERNAL_KEY_STORE" else {}
                    made = self._kms.create_key(Origin=origin, CustomKeyStoreId=store, **more)["KeyMetadata"]
                    text = f"{origin} {turn}".encode()
                    blob = self._kms.encrypt(KeyId=made["KeyId"], Plaintext=text)["CiphertextBlob"]
                    self.written.append((text, blob))
        except BotoCoreError:
            pass

    def join(self):
        self._thread.join(timeout=30)


def serve(folder):
    return Served("--regions", "us-east-1", "--data", str(folder))


def connected(kms, served):
    stores = {}
    for origin, backing in (("AWS_CLOUDHSM", ON_CLUSTER), ("EXTERNAL_KEY_STORE", ON_PROXY)):
        stores[origin] = kms.create_custom_key_store(CustomKeyStoreName=origin, **backing)["CustomKeyStoreId"]
        kms.connect_custom_key_store(CustomKeyStoreId=stores[origin])
    body = json.dumps({"minutes": 10}).encode()
    with urllib.request.urlopen(f"{served.ready['admin']}/time/advance", body, timeout=30) as answer:
        assert answer.status == 200
    deadline = time.monotonic() + 20
    while {store["ConnectionState"] for store in kms.describe_custom_key_stores()["CustomKeyStores"]} != {"CONNECTED"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return stores


@pytest.mark.slow
def test_keys_in_custom_key_stores_outlive_kill_9(tmp_path):
    moments, stores, written = random.Random(5), None, []
    for life in range(4):
        with serve(tmp_path) as served:
            kms = client(served.ready["endpoint"])
            stores = stores or connected(kms, served)
            for text, blob in written:
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == text
            writer = Writer(served.ready["endpoint"], stores, life)
            time.sleep(moments.uniform(0.3, 0.8))
            served.process.kill()
            served.process.wait()
            writer.join()
            written += writer.written
    assert len(written) > 8
    with serve(tmp_path) as served:
        kms = client(served.ready["endpoint"])
        for text, blob in written:
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == text
