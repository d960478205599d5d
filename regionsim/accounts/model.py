"""Accounts, their users and their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.authorization.policy import Policy
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy:
    """A policy under the name by which it is put and deleted."""

    name: str
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user; `path` starts and ends with a slash. Its name is case-sensitive."""

    name: str
    path: str = "/"
    policies: tuple[NamedPolicy, ...] = ()
    boundary: NamedPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """An IAM role; `path` starts and ends with a slash. `trust` says who may assume it (None: nobody)."""

    name: str
    path: str = "/"
    policies: tuple[NamedPolicy, ...] = ()
    trust: Policy | None = None
    boundary: NamedPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A long-lived access key of a user, or of `root`; a live endpoint verifies signatures with its secret."""

    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An AWS account: 12 digits, and its users and roles by name.

    `scps` are the service control policies above it, by level, the organization's root first and its own last; empty:
    there are none. They do not bind the management account. `organization_id` is empty where it is in no organization;
    `organization_path` is `o-.../r-.../ou-.../`. `access_keys` are by access key id.
    """

    account_id: str
    users: Mapping[str, User] = field(default_factory=dict, hash=False)
    roles: Mapping[str, Role] = field(default_factory=dict, hash=False)
    scps: tuple[tuple[NamedPolicy, ...], ...] = ()
    access_keys: Mapping[str, AccessKey] = field(default_factory=dict, hash=False)
    is_management: bool = False
    organization_id: str = ""
    organization_path: str = ""
