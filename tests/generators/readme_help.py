"""Writes what `regionsim --help` prints into README.md: `python tests/generators/readme_help.py [--check]`.

`--check` writes nothing and exits 1 when the README holds another text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
BLOCK = re.compile(r"(?<=<!-- help -->\n```text\n).*?(?=```\n)", re.DOTALL)
ASK = "import sys; from regionsim.cli import main; sys.argv = ['regionsim', '--help']; sys.exit(main())"


def help_text() -> str:
    """What `regionsim --help` prints on a terminal of 100 columns without colour."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    printed = subprocess.run(
        [sys.executable, "-c", ASK], cwd=CHECKOUT, env=environment, check=True, capture_output=True, encoding="utf-8"
    )
    return printed.stdout


def shown_text() -> str:
    """What the README shows."""
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found is not None, "README.md has lost its help block"
    return found.group()


def main(arguments: list[str]) -> int:
    """Write the block, or compare it (`--check`); gives the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    wanted = help_text()
    if shown_text() == wanted:
        return 0
    if arguments:
        print(f"README.md does not show what --help prints: run {Path(__file__).name}", file=sys.stderr)
        return 1
    README.write_text(BLOCK.sub(lambda _: wanted, README.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
