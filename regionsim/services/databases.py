"""Amazon RDS instances and Aurora clusters: storage like a volume's, whose key RDS has under a grant and looks at.

    CreateDBInstance, CreateDBCluster   DescribeKey, CreateGrant for the user; GenerateDataKeyWithoutPlaintext and
                                        Decrypt as the instance
    every hour, CheckDBInstance         Decrypt as the instance
    StartDBInstance, StartDBCluster     Decrypt as the instance

What runs has its key at hand, so the looks are what finds out. Two hours after the first look that was refused RDS
stops the instance: inaccessible-encryption-credentials-recoverable, and seven days later
inaccessible-encryption-credentials, from which only a restore leads. What cannot be stopped (a cluster of a global
database) has no recoverable state.

Source: RDS User Guide, "Encrypting Amazon RDS resources"; Aurora User Guide, "Encrypting Amazon Aurora resources"; RDS
API Reference. That RDS looks every hour is ours, and so is `CheckDBInstance`, one such look more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.services.door import KmsDoor, KmsFailure
from regionsim.services.holdings import Held, grants_for
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises

_HOUR_NS = 3_600_000_000_000
LOOKS_EVERY_NS = _HOUR_NS
RECOVERABLE_AFTER_NS = 2 * _HOUR_NS
RESTORE_ONLY_AFTER_NS = RECOVERABLE_AFTER_NS + 7 * 24 * _HOUR_NS

AVAILABLE = "available"
RECOVERABLE = "inaccessible-encryption-credentials-recoverable"
RESTORE_ONLY = "inaccessible-encryption-credentials"

_GRANTED = (["GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"],)


@dataclass(slots=True, kw_only=True)
class Database:
    """An instance or a cluster. `written` are its statements, in order; they stand for its data."""

    name: str
    region: str
    owner: Principal
    held: Held
    storage: bytes = field(repr=False)
    can_stop: bool = True
    refused_since_ns: int | None = None
    written: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Its state, as far as its key decides it."""
        since_ns = self.refused_since_ns
        past_ns = 0 if since_ns is None else now_ns() - since_ns
        if past_ns < RECOVERABLE_AFTER_NS:
            return AVAILABLE
        return RECOVERABLE if self.can_stop and past_ns < RESTORE_ONLY_AFTER_NS else RESTORE_ONLY

    async def open(self, door: KmsDoor) -> None:
        """Have the storage's key. A refusal counts from the first of them on. Errors: KmsFailure."""
        try:
            await self.held.ask(door, "Decrypt", at=self.region, CiphertextBlob=self.storage)
        except KmsFailure as failure:
            if not failure.is_failure and failure.code != "ThrottlingException" and self.refused_since_ns is None:
                self.refused_since_ns = now_ns()
            raise


async def make_database(
    door: KmsDoor, owner: Principal, region: str, name: str, key: ServiceKey, *, arn: str, identity: Principal
) -> Database:
    """A new instance or cluster with its grant and its storage. Errors: KmsFailure."""
    held = await grants_for(door, key, arn, identity, {"aws:rds:db-id": name}, _GRANTED)
    made = await held.ask(door, "GenerateDataKeyWithoutPlaintext", KeyId=held.key_arn, NumberOfBytes=64)
    database = Database(name=name, region=region, owner=owner, held=held, storage=made["CiphertextBlob"])
    await database.open(door)
    return database


class Looks:
    """RDS's own looks at the keys of its databases."""

    def __init__(
        self,
        premises: Premises,
        door: Callable[[Principal, str], KmsDoor],
        note: Callable[[str, str, KmsDoor, KmsFailure], None],
    ) -> None:
        self._premises = premises
        self._door = door
        self._note = note

    def begin(self, database: Database) -> None:
        """Look at a database's key every hour, for as long as there is anything to be saved."""
        if not database.held.key.is_owned:
            self._premises.begin(self._look(database), name=f"rds/{database.name}")

    async def _look(self, database: Database) -> None:
        told = AVAILABLE
        while database.state != RESTORE_ONLY:
            await sleep(LOOKS_EVERY_NS)
            if database.state == AVAILABLE:
                await self.look(database)
            if database.state not in (told, AVAILABLE):
                self.tell(database)
            told = database.state

    async def look(self, database: Database) -> bool:
        """Look once; True when the key is there."""
        door = self._door(database.owner, database.region)
        try:
            await database.open(door)
        except KmsFailure as failure:
            if database.refused_since_ns is not None and database.state == AVAILABLE:  # else it goes on as it is
                self._note(database.region, database.name, door, failure)
            return False
        finally:
            self._premises.tell_tries(tuple(door.tries))
        if database.state == AVAILABLE:
            database.refused_since_ns = None
            self._premises.board.well("rds", database.region, database.name, AVAILABLE, door.key)
        return True

    def tell(self, database: Database) -> None:
        """Say which state a database has come to."""
        board = self._premises.board
        known = board.state("rds", database.region, database.name)
        if known is not None:
            board.ill("rds", database.region, database.name, database.state, known.key, known.because)
