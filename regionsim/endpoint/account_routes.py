"""Routes about accounts: who there is, changes of IAM as scenarios make them, access keys.

POST /iam {"put_user_policy": {"user": "alice", "policy": {...}}}
PUT /accounts/111122223333 {"users": {"alice": {}}, "access_keys": {"AKIAALICE": {"user": "alice", "secret": "..."}}}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from regionsim.accounts.changes import IamChange
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account
from regionsim.endpoint.api import ApiRequest, Route, refuse
from regionsim.names.ids import is_account_id
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.iam import read_iam
from regionsim.scenario.known import Known
from regionsim.scenario.parse import parse
from regionsim.scenario.read import Findings
from regionsim.scenario.world import read_accounts

_SHOWN_AS = "the body"


class Iam(Protocol):
    """Where IAM is changed."""

    @property
    def latest(self) -> Directory:
        """The accounts as they are now."""
        ...

    def change(self, change: IamChange) -> None:
        """Make a change. Errors: ConfigError for what is not there."""
        ...

    def put_account(self, account: Account) -> None:
        """Make an account, or replace one whole."""
        ...


def account_routes(regions: tuple[str, ...], iam: Callable[[], Iam]) -> tuple[Route, ...]:
    """The routes, of a world with these Regions; `iam` is what it has now."""

    async def listed(request: ApiRequest) -> dict[str, Any]:
        return {
            account.account_id: {
                "users": sorted(account.users),
                "roles": sorted(account.roles),
                "access_keys": {key_id: key.user for key_id, key in sorted(account.access_keys.items())},
            }
            for account in iam().latest.accounts.values()
        }

    async def change(request: ApiRequest) -> dict[str, Any]:
        known, findings = Known(regions=regions, directory=iam().latest), Findings()
        try:
            made = read_iam(parse(json.dumps(_without_files(request.members())), _SHOWN_AS), known, findings)
            findings.raise_any()
        except ScenarioError as mistake:
            _refused(mistake)
        assert made is not None
        iam().change(made)
        return {"changed": made.subject, "action": made.action.name}

    async def put(request: ApiRequest) -> dict[str, Any]:
        account_id = request.path["id"]
        if not is_account_id(account_id):
            refuse(f"'{account_id}' is not an account id", "an account id has 12 digits")
        findings = Findings()
        try:
            text = json.dumps({account_id: _without_files(request.members())})
            directory = findings.attempt(read_accounts, parse(text, _SHOWN_AS), findings)
            findings.raise_any()
        except ScenarioError as mistake:
            _refused(mistake)
        assert directory is not None
        iam().put_account(directory.accounts[account_id])
        return {"account": account_id}

    return (
        Route(
            method="GET", path="/accounts", about="accounts, users, roles, access key ids (no secrets)", handler=listed
        ),
        Route(
            method="PUT",
            path="/accounts/{id}",
            about="make or replace an account: users, roles, access_keys, as in a file of accounts",
            handler=put,
            takes={"type": "object"},
        ),
        Route(
            method="POST",
            path="/iam",
            about="one change of IAM, as a scenario's step makes it; each Region's copy follows in 2 s",
            handler=change,
            takes={"type": "object"},
        ),
    )


def _refused(mistake: ScenarioError) -> NoReturn:
    refuse(mistake.what, mistake.advice)


def _without_files(value: Any) -> Any:
    """The value, if no policy in it is to be read from a file of this machine. Errors: ApiError."""
    if isinstance(value, dict):
        if list(value) == ["file"]:
            refuse("a policy stands in the body here, not in a file", "write the policy itself")
        for held in value.values():
            _without_files(held)
    elif isinstance(value, list):
        for held in value:
            _without_files(held)
    return value
