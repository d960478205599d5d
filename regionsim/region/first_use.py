"""The first use of a key of AWS's: the key is made, by whichever call is let use it and comes first."""

from __future__ import annotations

from collections.abc import Callable

from regionsim.kms.aws_keys import Unmade, job_of, made, to_be_made
from regionsim.kms.hsm_jobs import BackingKeyCreated
from regionsim.kms.plan import Call, View
from regionsim.region.incarnation import Incarnation


async def make_aws_key(host: Incarnation, unmade: Unmade, call: Call, look: Callable[[], View]) -> None:
    """Make the key that the call names, unless another call has done so meanwhile, or its policy has no place for this
    call: then nothing is made, and the call finds no such alias.

    Errors: those of the HSMs; KMSInternalException when it cannot be committed.
    """
    async with host.locks.hold(frozenset({f"alias/{unmade.account}/{unmade.alias}"})):
        if host.state.alias(unmade.account, unmade.alias) is not None:
            return
        key = to_be_made(look(), call, unmade)
        if key is None:
            return
        answer = await host.perform(job_of(key), request=call.request_id)
        assert isinstance(answer, BackingKeyCreated), "an HSM answers what it is asked"
        await host.commit_or_refuse(made(key, unmade, call, answer))
