"""What is known while the parts of a scenario are read one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from regionsim.accounts.directory import Directory
from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of_world
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.nodes import Position
from regionsim.scenario.values import Names

if TYPE_CHECKING:
    from regionsim.hsm.algorithms.enclaves import Enclave


@dataclass(slots=True, kw_only=True)
class Known:
    """`regions`, `directory`: None when their own part of the file is wrong; nothing is held against them then.

    `account` is the caller's, while a call is read. `warnings` are gathered; copies of what is known share them.
    """

    regions: tuple[str, ...] | None = None
    directory: Directory | None = None
    names: Names = field(default_factory=Names)
    faults: dict[str, Position] = field(default_factory=dict)
    workloads: tuple[str, ...] | None = None
    until_ns: int | None = None
    account: str | None = None
    warnings: list[ScenarioError] = field(default_factory=list)
    enclaves: Mapping[str, Enclave] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """The partition of the accounts; `aws` while the Regions are not known."""
        return "aws" if self.regions is None else partition_of_world(self.regions)

    def principals(self) -> str:
        """Advice: who exists."""
        if self.directory is None:
            return ""
        spellings = [
            name for account in self.directory.accounts for name in self.directory.principal_spellings(account)
        ]
        return "these exist: " + ", ".join(spellings[:12]) if spellings else "no user and no role is given in accounts"
