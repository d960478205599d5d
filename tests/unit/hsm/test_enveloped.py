"""CMS EnvelopedData, opened by OpenSSL's own command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from regionsim.hsm.algorithms.enveloped import enveloped
from regionsim.runtime.entropy import OsEntropy


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
@pytest.mark.parametrize("length", [1, 16, 300, 5000])
def test_openssl_opens_it(tmp_path: Path, length: int) -> None:
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    plaintext = bytes(index % 251 for index in range(length))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "sealed.der").write_bytes(enveloped(plaintext, public, OsEntropy().stream("hsm")))
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed.der", "-inkey", "key.pem"]
    opened = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert opened.stdout == plaintext
