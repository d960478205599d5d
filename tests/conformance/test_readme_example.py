"""The README's test runs as it is pasted."""

import subprocess
import sys

import pytest

from tests.house.test_readme import block


@pytest.mark.slow
def test_the_survival_test_passes_as_pasted(tmp_path):
    (tmp_path / "test_survival.py").write_text(block("example: survival"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_survival.py"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
