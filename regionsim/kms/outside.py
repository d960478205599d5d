"""What KMS asks of what backs a custom key store, and what it hears: of CloudHSM clusters, of external key store
proxies.

A call that must know asks once, before it is decided (`Plan.inquiry`); whoever answers knows nothing of KMS's rules.
Source: KMS API Reference, CreateCustomKeyStore and CreateKey (the checks); ConnectionErrorCode; AWS KMS XKS proxy API
specification (the proxy's answers); KMS Developer Guide, "Troubleshooting external key stores" (who hears what, and
the texts); the values are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.errors import (
    CloudHsmClusterInUseException,
    CloudHsmClusterInvalidConfigurationException,
    CloudHsmClusterNotActiveException,
    CloudHsmClusterNotFoundException,
    CloudHsmClusterNotRelatedException,
    CustomKeyStoreInvalidStateException,
    DependencyTimeoutException,
    IncorrectTrustAnchorException,
    KmsError,
    KMSInternalException,
    XksKeyInvalidConfigurationException,
    XksKeyNotFoundException,
    XksProxyIncorrectAuthenticationCredentialException,
    XksProxyInvalidConfigurationException,
    XksProxyInvalidResponseException,
    XksProxyUriUnreachableException,
    XksProxyVpcEndpointServiceInvalidConfigurationException,
    XksProxyVpcEndpointServiceNotFoundException,
)
from regionsim.kms.key_stores import ProxySettings
from regionsim.names.dataclass import dataclass


class Problem(StrEnum):
    """What stands between KMS and what backs a store. The names are those of ConnectionErrorCode, where it has one."""

    CLUSTER_NOT_FOUND = "CLUSTER_NOT_FOUND"
    CLUSTER_NOT_ACTIVE = "CLUSTER_NOT_ACTIVE"
    NETWORK_ERRORS = "NETWORK_ERRORS"
    INSUFFICIENT_CLOUDHSM_HSMS = "INSUFFICIENT_CLOUDHSM_HSMS"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    USER_LOCKED_OUT = "USER_LOCKED_OUT"
    USER_LOGGED_IN = "USER_LOGGED_IN"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    SUBNET_NOT_FOUND = "SUBNET_NOT_FOUND"
    INSUFFICIENT_FREE_ADDRESSES = "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET"
    CLUSTER_SHARES_BACKUP = "CLUSTER_SHARES_BACKUP"
    WRONG_TRUST_ANCHOR = "WRONG_TRUST_ANCHOR"
    NOT_RELATED = "NOT_RELATED"
    XKS_PROXY_ACCESS_DENIED = "XKS_PROXY_ACCESS_DENIED"
    XKS_PROXY_INVALID_CONFIGURATION = "XKS_PROXY_INVALID_CONFIGURATION"
    XKS_PROXY_INVALID_RESPONSE = "XKS_PROXY_INVALID_RESPONSE"
    XKS_PROXY_INVALID_TLS_CONFIGURATION = "XKS_PROXY_INVALID_TLS_CONFIGURATION"
    XKS_PROXY_NOT_REACHABLE = "XKS_PROXY_NOT_REACHABLE"
    XKS_PROXY_TIMED_OUT = "XKS_PROXY_TIMED_OUT"
    XKS_PROXY_NOT_AUTHENTICATED = "XKS_PROXY_NOT_AUTHENTICATED"
    XKS_PROXY_THROTTLED = "XKS_PROXY_THROTTLED"
    XKS_PROXY_UNHEALTHY = "XKS_PROXY_UNHEALTHY"
    XKS_PROXY_UNSUPPORTED = "XKS_PROXY_UNSUPPORTED"
    XKS_VPC_NOT_FOUND = "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"
    XKS_VPC_INVALID = "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION"
    XKS_KEY_NOT_FOUND = "XKS_KEY_NOT_FOUND"
    XKS_KEY_UNFIT = "XKS_KEY_UNFIT"
    XKS_KEY_DISABLED = "XKS_KEY_DISABLED"
    XKS_CIPHERTEXT = "XKS_CIPHERTEXT"
    XKS_INNER_CIPHERTEXT = "XKS_INNER_CIPHERTEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCluster:
    """Can a store be, or be made, on that cluster? What is None is not asked about.

    `related_to`: the cluster that it shall replace. `others`: those of the account's other stores. `hsm_count`: how
    many active HSMs it must have. `is_login`: does it let `kmsuser` in with that password?
    """

    cluster_id: str
    hsm_count: int = 2
    trust_anchor: str | None = field(default=None, repr=False)
    is_login: bool = False
    password: str | None = field(default=None, repr=False)
    related_to: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutProxy:
    """Does that proxy answer, and are its key managers healthy? `secret` None: what the store of that id has."""

    store_id: str
    proxy: ProxySettings
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutExternalKey:
    """Is there such a key behind that proxy, and is it an enabled AES-256 key that encrypts and decrypts?"""

    store_id: str
    proxy: ProxySettings
    xks_key_id: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutService:
    """Is the VPC endpoint service in front of that proxy there, and as KMS requires?"""

    proxy: ProxySettings


Inquiry = AboutCluster | AboutProxy | AboutExternalKey | AboutService


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The answer: nothing stands between, or what does."""

    problem: Problem | None = None


class OutsideError(Exception):
    """What backs a store did not do what it was asked for."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


_REFUSALS: Mapping[Problem, type[KmsError]] = MappingProxyType(
    {
        Problem.CLUSTER_NOT_FOUND: CloudHsmClusterNotFoundException,
        Problem.CLUSTER_NOT_ACTIVE: CloudHsmClusterNotActiveException,
        Problem.NETWORK_ERRORS: CloudHsmClusterInvalidConfigurationException,
        Problem.INSUFFICIENT_CLOUDHSM_HSMS: CloudHsmClusterInvalidConfigurationException,
        Problem.WRONG_TRUST_ANCHOR: IncorrectTrustAnchorException,
        Problem.NOT_RELATED: CloudHsmClusterNotRelatedException,
        Problem.CLUSTER_SHARES_BACKUP: CloudHsmClusterInUseException,
        Problem.XKS_PROXY_ACCESS_DENIED: XksProxyIncorrectAuthenticationCredentialException,
        Problem.XKS_PROXY_NOT_AUTHENTICATED: XksProxyIncorrectAuthenticationCredentialException,
        Problem.XKS_PROXY_INVALID_CONFIGURATION: XksProxyInvalidConfigurationException,
        Problem.XKS_PROXY_INVALID_TLS_CONFIGURATION: XksProxyInvalidConfigurationException,
        Problem.XKS_PROXY_INVALID_RESPONSE: XksProxyInvalidResponseException,
        Problem.XKS_PROXY_UNSUPPORTED: XksProxyInvalidResponseException,
        Problem.XKS_PROXY_NOT_REACHABLE: XksProxyUriUnreachableException,
        Problem.XKS_PROXY_TIMED_OUT: XksProxyUriUnreachableException,
        Problem.XKS_PROXY_THROTTLED: XksProxyUriUnreachableException,
        Problem.XKS_PROXY_UNHEALTHY: XksProxyUriUnreachableException,
        Problem.XKS_VPC_NOT_FOUND: XksProxyVpcEndpointServiceNotFoundException,
        Problem.XKS_VPC_INVALID: XksProxyVpcEndpointServiceInvalidConfigurationException,
        Problem.XKS_KEY_NOT_FOUND: XksKeyNotFoundException,
        Problem.XKS_KEY_UNFIT: XksKeyInvalidConfigurationException,
        Problem.XKS_KEY_DISABLED: XksKeyInvalidConfigurationException,
    }
)

_CONNECTION_CODES: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.CLUSTER_NOT_ACTIVE: "NETWORK_ERRORS",
        Problem.WRONG_TRUST_ANCHOR: "INTERNAL_ERROR",
        Problem.XKS_PROXY_NOT_AUTHENTICATED: "INVALID_CREDENTIALS",
        Problem.XKS_PROXY_UNHEALTHY: "XKS_PROXY_NOT_REACHABLE",
        Problem.XKS_PROXY_THROTTLED: "XKS_PROXY_NOT_REACHABLE",
        Problem.XKS_PROXY_UNSUPPORTED: "XKS_PROXY_INVALID_RESPONSE",
    }
)
"""Where ConnectionErrorCode has another word. That of a proxy which throttles is UNVERIFIED."""

_REJECTED = "The external key store proxy rejected the request because"
_SEEN_REPEATEDLY = "If you see this error repeatedly,"

_WORDS: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.XKS_PROXY_NOT_REACHABLE: (
            "KMS cannot communicate with the external key store proxy. This might be a transient network issue. "
            f"{_SEEN_REPEATEDLY} verify that your external key store proxy is active and is connected to the network, "
            "and that its endpoint URI is correct in your external key store."
        ),
        Problem.XKS_PROXY_TIMED_OUT: (
            "The external key store proxy did not respond to the request in the time allotted. Retry the request. "
            f"{_SEEN_REPEATEDLY} report it to your external key store proxy administrator."
        ),
        Problem.XKS_PROXY_NOT_AUTHENTICATED: (
            f"{_REJECTED} it could not authenticate KMS. Verify the credentials for your external key store and update "
            "if necessary."
        ),
        Problem.XKS_PROXY_ACCESS_DENIED: (
            "The external key store proxy denied access to the operation. Verify that the user and the external key "
            "are both authorized for this operation, and try the request again."
        ),
        Problem.XKS_PROXY_THROTTLED: f"{_REJECTED} its rate of requests was exceeded. Retry the request.",
        Problem.XKS_PROXY_UNHEALTHY: (
            "The external key store proxy is in an unhealthy state. If you see this message repeatedly, notify your "
            "external key store proxy administrator."
        ),
        Problem.XKS_PROXY_UNSUPPORTED: f"{_REJECTED} it does not support the requested cryptographic operation.",
        Problem.XKS_PROXY_INVALID_RESPONSE: (
            f"KMS cannot interpret the response from the external key store proxy. {_SEEN_REPEATEDLY} consult your "
            "external key store proxy administrator."
        ),
        Problem.XKS_PROXY_INVALID_CONFIGURATION: (
            f"{_REJECTED} of an invalid URI path. Verify the URI path for your external key store and update if "
            "necessary."
        ),
        Problem.XKS_PROXY_INVALID_TLS_CONFIGURATION: (
            "KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, "
            "including its certificate."
        ),
        Problem.XKS_KEY_NOT_FOUND: f"{_REJECTED} it could not find the external key.",
        Problem.XKS_KEY_UNFIT: f"{_REJECTED} the external key does not support the requested operation.",
        Problem.XKS_KEY_DISABLED: f"{_REJECTED} the external key is not enabled in the external key manager.",
        Problem.XKS_CIPHERTEXT: (
            f"{_REJECTED} the specified ciphertext or additional authenticated data is corrupted, missing, or "
            "otherwise invalid."
        ),
        Problem.XKS_INNER_CIPHERTEXT: (
            "The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is "
            "corrupted, missing, or otherwise invalid."
        ),
    }
)
"""The texts of AWS's guide, but that about the rate (ours)."""

_WORDS_OF_NEW_KEYS: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.XKS_KEY_DISABLED: (
            "The status of the external key must be ENABLED. The status of specified external key is DISABLED."
        ),
        Problem.XKS_KEY_UNFIT: "The key usage of the external key must include ENCRYPT and DECRYPT.",
    }
)


def refusal_of(problem: Problem) -> KmsError:
    """What a caller hears who makes a store or changes one."""
    refusal = _REFUSALS.get(problem, CloudHsmClusterInvalidConfigurationException)
    return refusal(_WORDS.get(problem, f"The custom key store's backing is not usable: {problem}."))


def refusal_of_key(problem: Problem) -> KmsError:
    """What a caller hears whose new key cannot be in its store because of it."""
    if problem.name.startswith("XKS_KEY"):
        return _REFUSALS[problem](_WORDS_OF_NEW_KEYS.get(problem, _WORDS[problem]))
    if problem.name.startswith("XKS"):
        return CustomKeyStoreInvalidStateException(in_words(problem))
    if problem is Problem.NETWORK_ERRORS:
        return DependencyTimeoutException(LATE)
    return CloudHsmClusterInvalidConfigurationException(in_words(problem))


def refusal_without_key(problem: Problem) -> KmsError:
    """What a caller hears who asked a store's cluster for something that needs no key."""
    if problem is Problem.NETWORK_ERRORS:
        return DependencyTimeoutException(LATE)
    return KMSInternalException(in_words(problem))


LATE = "The system timed out while trying to fulfill the request. You can retry the request."
"""Of a cluster that does not answer. Source: KMS API Reference, DependencyTimeoutException."""


def connection_error_code(problem: Problem) -> str:
    """`ConnectionErrorCode` of a store that could not be connected because of it."""
    return _CONNECTION_CODES.get(problem, problem.value)


def in_words(problem: Problem) -> str:
    """What a caller hears whose key could not be used because of it."""
    return _WORDS.get(problem, f"KMS cannot communicate with the key store of this key: {problem}.")
