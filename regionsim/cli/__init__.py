"""The command line: `main` does what the arguments say. What a command needs is imported when it runs."""

from __future__ import annotations

from regionsim.cli.entry import COMMANDS, help_text, main

__all__ = ["COMMANDS", "help_text", "main"]
