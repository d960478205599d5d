"""The command line as a process: start-up, pipes, interrupts, the public face."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import regionsim

ROOT = Path(__file__).parent.parent.parent
LONG = """\
regions: [us-east-1]
hsm: {profile: host}
accounts:
  "111122223333":
    users: {alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}}
workloads:
  w: {as: alice, in: us-east-1, every: 100ms, call: {ListKeys: {}}}
steps: [{say: ready}]
until: 2d
"""


def regionsim_process(*words: str, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "regionsim", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_the_package_runs_as_a_module():
    process = regionsim_process("scenarios")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "quickstart" in out


def test_help_imports_next_to_nothing():
    ask = "import sys; from regionsim.cli import main; main(['--help']); print(*sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = set(out.splitlines()[-1].split())
    assert not loaded & {"asyncio", "sqlite3", "cryptography", "yaml", "jmespath", "textual", "regionsim.kms.model"}


def test_importing_the_package_imports_nothing_of_it():
    ask = "import sys, regionsim; print(*[name for name in sys.modules if name.startswith('regionsim.')])"
    out = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == ""


def test_the_public_face():
    assert set(regionsim.__all__) <= set(dir(regionsim))
    assert all(getattr(regionsim, name) is not None for name in regionsim.__all__)
    with pytest.raises(AttributeError, match="module 'regionsim' has no attribute 'rnu'"):
        regionsim.rnu  # noqa: B018 - the access is what is tested


def test_the_version_is_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert regionsim.__version__ == project["version"]


@pytest.mark.parametrize("words", [[], ["--rate", "60"], *[["--connection", "threaded"]] * 4])
def test_an_interrupted_run_keeps_what_it_has_and_says_so(words, tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text(LONG, encoding="utf-8")
    process = regionsim_process("run", str(path), *words)
    assert process.stderr is not None
    assert "ready" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "INTERRUPTED at 0d 00:" in out
    assert "verdict   unknown: the run was interrupted" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "status"), [(["schema"], 0), (["run", "quickstart"], 0), (["check", "quickstart", "absent"], 2)]
)
def test_a_reader_that_goes_away_changes_nothing(words, status):
    """The reader is gone before the first word is written."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "regionsim", *words]
    ended = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    assert "rror" not in ended.stderr


FULL = "No space left on device"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run quickstart --quiet --trace /dev/full >/dev/null", f"the trace cannot be written to '/dev/full': {FULL}"),
        ("run quickstart --quiet --trace - >/dev/full 2>&1", ""),
        ("run quickstart --quiet >/dev/full", f"stdout cannot be written: {FULL}"),
        ("schema >/dev/full", f"stdout cannot be written: {FULL}"),
        ("run --help >/dev/full", f"stdout cannot be written: {FULL}"),
        ("check absent 2>/dev/full", ""),
        ("run quickstart >&-", "stdout is closed; to be rid of what goes there, send it to /dev/null"),
        ("run quickstart 2>&1 >&- 2>&-", ""),
        ("check quickstart 2>&-", "stderr is closed; to be rid of what goes there, send it to /dev/null"),
    ],
)
def test_output_that_cannot_be_written_is_status_2_in_words(line, told):
    command = f"{shlex.quote(sys.executable)} -m regionsim {line}"
    ended = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert (ended.stdout + ended.stderr).strip() == told


def test_a_stderr_that_is_full_changes_nothing():
    command = f"{shlex.quote(sys.executable)} -m regionsim run quickstart 2>/dev/full >/dev/null"
    assert subprocess.run(["sh", "-c", command], cwd=ROOT, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_escaped(encoding, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(LONG.replace("2d", "1s").replace("ready", "fertig \u2192"), encoding="utf-8")
    process = regionsim_process("run", str(path), env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"})
    _, err = process.communicate(timeout=60)
    assert "fertig \\u2192" in err
    assert process.returncode == 0


def test_an_interrupt_during_the_imports_is_quiet():
    """The interrupt comes at the first import below the entry point."""
    ask = (
        "import builtins, sys; from regionsim.__main__ import main; real = builtins.__import__\n"
        "def interrupted(name, *rest):\n"
        "    if name == 'regionsim.cli': raise KeyboardInterrupt\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = interrupted; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_installed_command_is_the_guarded_one():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"regionsim": "regionsim.__main__:main"}


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_pipe_is_refused_instead_of_waited_for(command, tmp_path):
    os.mkfifo(tmp_path / "s.yaml")
    process = regionsim_process(command, str(tmp_path / "s.yaml"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.endswith("this is a pipe or a device, not a file; save the scenario in a file first\n")


@pytest.mark.slow
def test_help_is_quick():
    """Bar: under 0.25 s. The best of five, for other work may run beside it."""
    best = min(_seconds("--help") for _ in range(5))
    assert best < 0.25


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    regionsim_process(*words).communicate(timeout=60)
    return time.perf_counter() - began
