"""What a Region is given to live in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from regionsim.hsm.fleet import Fleet
from regionsim.hsm.key_store_port import KeyStorePort
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KmsKey
from regionsim.kms.plan import Call
from regionsim.names.dataclass import dataclass
from regionsim.network.envelope import Envelope
from regionsim.region.timers import Fired
from regionsim.runtime.clock import NodeClock
from regionsim.runtime.entropy import Entropy
from regionsim.runtime.trace import Trace
from regionsim.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a Region is given to live in. `open_store` opens its file; `send` puts an envelope on a link; `on_fired`
    hears of each errand of the calendar as it falls due, `on_key` of each key that a commit changed (None: it is
    deleted), with the Region's name; `on_refusal` of each call that it refuses; `on_fault_met` of the names of faults
    that a call meets at its door."""

    fleet: Fleet
    key_stores: KeyStorePort
    clock: NodeClock
    entropy: Entropy
    trace: Trace
    open_store: Callable[[], Awaitable[Store]]
    send: Callable[[Envelope], None]
    on_fired: Callable[[Fired], None]
    on_key: Callable[[str, str, KmsKey | None], None]
    on_refusal: Callable[[str, Call, KmsError], None]
    on_fault_met: Callable[[tuple[str, ...]], None]
