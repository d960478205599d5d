"""`python tests/planted/forks.py`: runs pytest in a fork of itself, on the tree that a line of standard input names.

A fresh Python spends more on importing pytest, Hypothesis and the libraries than most tests take that must find a
planted bug. Here that is done once. Nothing of regionsim is imported before the fork: each tree brings its own.

    <- {"root": "/tmp/tree", "test": "tests/one.py::test_name"}
    -> {"status": 1, "told": "..."}
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import warnings
from typing import Any

LIBRARIES = (
    "_pytest.assertion.rewrite", "aiosqlite", "asyncio", "boto3", "botocore.session", "concurrent.futures", "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.kdf.kbkdf", "cryptography.hazmat.primitives.serialization",
    "cryptography.x509", "httptools", "hypothesis", "hypothesis.strategies", "hypothesis.stateful", "jmespath", "jsonschema", "msgpack", "nacl.bindings",
    "pytest", "pytest_asyncio.plugin", "pytest_cov.plugin", "pytest_timeout", "sqlite3", "textual.app", "textual.widgets", "uvloop", "xdist.plugin", "yaml",
)  # fmt: skip
SECONDS = 110


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            with contextlib.suppress(ImportError):  # what is not installed, no test imports
                importlib.import_module(name)
    assert not any(name.partition(".")[0] in ("regionsim", "tui", "tests") for name in sys.modules)
    gc.freeze()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(**json.loads(line))) + "\n")
        sys.stdout.flush()


def run(*, root: str, test: str) -> dict[str, Any]:
    with tempfile.TemporaryFile() as told:
        child = os.fork()
        if not child:
            _be_pytest(root, test, told.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told.seek(0)
        return {"status": status, "told": told.read().decode("utf-8", "replace")}


def _be_pytest(root: str, test: str, told: int) -> None:
    signal.alarm(SECONDS)
    os.dup2(told, 1)
    os.dup2(told, 2)
    os.chdir(root)
    os.environ["PYTHONPATH"] = root
    sys.path.insert(0, root)
    sys.dont_write_bytecode = True
    sys.argv = ["pytest"]
    import pytest

    imported_before = "ignore::pytest.PytestAssertRewriteWarning"
    status = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-rf", "-W", imported_before, test])
    sys.stdout.flush()
    os._exit(int(status))


if __name__ == "__main__":
    main()
