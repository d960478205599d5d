"""Clients of AWS that are programs of their own, or packages that the tests do not need otherwise.

Where one is missing its tests are skipped, and say what is missing. With REGIONSIM_NEEDS_CLIENTS=1, as in the gate, they
fail instead.
"""

import importlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("node")
PROGRAMS = Path(__file__).parents[2] / ".programs" / "bin"


def missing(what, remedy):
    """Skip, loudly; or fail where every client is to be there."""
    told = f"{what} is not here: {remedy}"
    if os.environ.get("REGIONSIM_NEEDS_CLIENTS") == "1":
        pytest.fail(told)
    pytest.skip(told)


def need_package(name):
    """A module of the extra `clients`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        missing(name, "pip install '.[clients]'")


def need_program(name):
    """Where a program of `programs.txt` is."""
    found = PROGRAMS / name
    how = "python3 -m venv .programs && .programs/bin/pip install -r tests/conformance/programs.txt"
    return found if found.exists() else missing(f"the program {name}", how)


def need_node():
    """Where Node.js is, once its packages are installed."""
    if not (NODE / "node_modules").is_dir():
        missing("AWS's SDK for JavaScript", "npm ci --ignore-scripts --prefix tests/conformance/node")
    return shutil.which("node") or missing("Node.js", "install nodejs")


def environment(world, home, **more):
    """Nothing of whoever runs the tests, but where to call and how to sign."""
    return {
        **world.environment,
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        **more,
    }


def run(command, world, home, *, text="", **more):
    """A finished program; its exit status is whatever it is."""
    return subprocess.run(
        [str(part) for part in command],
        input=text,
        env=environment(world, home, **more),
        cwd=home,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def ask_node(world, home, **asked):
    """What the JavaScript clients answer; see `node/ask.mjs`."""
    done = run([need_node(), NODE / "ask.mjs"], world, home, text=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def multi_region_key(world):
    """ARNs of a key in us-east-1 and of its replica in eu-west-1, both ready."""
    kms = world.client("kms", region="us-east-1")
    arn = kms.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    kms.replicate_key(KeyId=arn, ReplicaRegion="eu-west-1")
    world.advance("1s")
    return arn, arn.replace(":us-east-1:", ":eu-west-1:")
