"""The HSMs of a Region: the only place where key bytes are in clear.

Theory of operation. A Region has one `Fleet` of `Hsm` actors that form a domain. What they share is the
`DomainState`: domain keys, one of them active, and the Region's replication signing key. An HSM that is OPERATIONAL
holds it, together with the backing keys that it has lately used, in its `HsmMemory`; losing power or being zeroised
empties that. Everything that must outlive an HSM leaves it encrypted:

* a backing key as an exported key token under a domain key (`tokens`), kept by the Region's store;
* a backing key for another Region under a replication wrapping key that two HSMs agreed on (`replication_keys`);
* the domain itself as a sealed domain token (`domain_backup`), which stands in for AWS's offline quorum.

The world asks by jobs (`regionsim.kms.hsm_jobs`); an HSM does one at a time, in the order of arrival. `algorithms` is
the only module of regionsim that imports a cryptographic library. Types that hold key bytes derive from `Confined`:
they do not show them, and refuse to be pickled or copied.
"""
