"""The straight line of a KMS call, as values: `Call`, `View`, `Plan`, `Outcome`.

    view    = the Region looks up what the operation reads          committed state, in memory
    plan    = operation.plan(view, call, request)                   authorize, key-state table, own rules; or a refusal
    result  = at most one HSM job
    outcome = operation.answer(plan, result)
    commit the outcome, then answer

Nothing here awaits, draws randomness or reads a clock: the instant and fresh random bytes are part of the view.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from regionsim.accounts.directory import Directory
from regionsim.authorization.circumstances import Circumstances
from regionsim.authorization.principals import Principal
from regionsim.kms.hsm_jobs import HsmAnswer, RequestJob
from regionsim.kms.key import Alias, KmsKey
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.outside import Inquiry, Word
from regionsim.kms.questions import Answer, Question
from regionsim.kms.recipients import Attestation
from regionsim.kms.situation import Happening
from regionsim.kms.state import RegionState
from regionsim.kms.writes import Announcement, ServiceEvent, Write
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One KMS call as it reached a Region: shape-checked parameters under AWS's names, and who signed it.

    Parameter values are decoded: blobs are `bytes`, instants are epoch seconds, structures are dicts. `circumstances`
    are condition values that came with the call.
    """

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    caller: Principal
    request_id: str
    source_ip: str = "192.0.2.1"
    user_agent: str = "regionsim"
    circumstances: Circumstances = field(default_factory=dict, hash=False)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a plan may know: the Region's committed state, its copy of IAM, the instant, and fresh random bytes.

    `remote_answer` is set when the plan goes on after a question to another Region, `outside_word` after one to what
    backs a custom key store. `regions` are the Regions that
    exist here, in the world's order. `keys_being_made` are keys of the caller's account that other calls have planned
    and not yet committed. A grant counts for everybody `grant_delay_ns` after its creation; before that it does for
    calls that came with its token (`grant_tokens`).
    """

    state: RegionState
    directory: Directory
    now_ns: int
    regions: tuple[str, ...]
    source_ip: str = ""
    user_agent: str = ""
    keys_being_made: int = 0
    fresh: bytes = field(default=b"", repr=False)
    remote_answer: Answer | None = None
    grant_delay_ns: int = 0
    grant_tokens: Sequence[str] = field(default=(), repr=False)
    circumstances: Circumstances = field(default_factory=dict, hash=False)
    outside_word: Word | None = None
    attestation: Attestation | None = None

    @property
    def region(self) -> str:
        return self.state.region


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What an operation reads and, for a mutation, locks: key identifiers as sent, and alias names.

    `own_keys` are ids of keys of any account, as KMS itself wrote them (in a grant token). `ciphertext` names a key by
    its clear header. `key_stores` are ids of custom key stores, with their keys if `reads_keys_in_stores`; who makes or
    renames one needs all of the account's to stay as they are (`reads_all_key_stores`).
    """

    keys: tuple[str, ...] = ()
    own_keys: tuple[str, ...] = ()
    ciphertext: bytes | None = field(default=None, repr=False)
    aliases: tuple[str, ...] = ()
    key_stores: tuple[str, ...] = ()
    reads_keys_in_stores: bool = False
    reads_all_key_stores: bool = False


RequestT = TypeVar("RequestT")


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[RequestT]):
    """What was decided: the keys it concerns (as they were at the look-up), and what must still be asked.

    At most one of `job` (for an HSM) and `question` (for another Region) is set. `inquiry` is asked of what backs a
    custom key store, and then the plan is made anew. `makes_key_for` is the account that will own a key that the commit
    makes. `key_store` is the one that the call is about, `besides` what else is to be written. `attestation` is of the
    enclave that alone learns the plaintext.
    """

    call: Call
    request: RequestT
    region: str
    now_ns: int
    keys: tuple[KmsKey, ...] = ()
    aliases: tuple[Alias, ...] = ()
    found: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    next_marker: str | None = None
    makes_key_for: str | None = None
    job: RequestJob | None = None
    question: Question | None = None
    inquiry: Inquiry | None = None
    key_store: KeyStore | None = None
    besides: tuple[Write, ...] = ()
    attestation: Attestation | None = None

    @property
    def one_store(self) -> KeyStore:
        """The one custom key store that the call is about."""
        assert self.key_store is not None, f"{self.call.operation} is about a custom key store"
        return self.key_store

    @property
    def key(self) -> KmsKey:
        """The one key that the call is about."""
        return self.keys[0]


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call does when it succeeds: the response (AWS's names; None for an empty body), and what must be
    committed first.

    `happenings` are of the key that `writes` change. `facts` are members of the audit record that only the answer knows
    (`responseElements`, `additionalEventData`).
    """

    response: Mapping[str, Any] | None = field(default=None, repr=False)
    writes: tuple[Write, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    events: tuple[ServiceEvent, ...] = ()
    happenings: tuple[Happening, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Operation(ABC, Generic[RequestT]):
    """One operation of the KMS API. Adding one means one subclass in a family module of `operations/`.

    `recorded` lists the parameters that CloudTrail shows; secrets are not among them. `recorded_defaults` are those
    that it shows even where the caller left them out. Source: KMS Developer Guide, "Logging AWS KMS API calls with AWS
    CloudTrail".
    """

    name: ClassVar[str]
    request_type: ClassVar[type]
    is_mutation: ClassVar[bool] = False
    is_read_only: ClassVar[bool] = True
    needs_fresh: ClassVar[bool] = False
    recorded: ClassVar[tuple[str, ...]] = ()
    recorded_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    job_type: ClassVar[type[RequestJob] | None] = None
    """The job that a call of a read or cryptographic operation asks of an HSM."""

    @abstractmethod
    def reads(self, request: RequestT) -> Reads:
        """What must be looked up (and locked, for a mutation) for this request."""

    @abstractmethod
    def plan(self, view: View, call: Call, request: RequestT) -> Plan[RequestT]:
        """Decide. Errors: any `KmsError` is the refusal."""

    @abstractmethod
    def answer(self, plan: Plan[RequestT], answer: HsmAnswer | None) -> Outcome:
        """What happens now that the HSM has answered (or was not needed)."""
