"""What KMS asks of what backs a custom key store, and what it hears: of CloudHSM clusters, of external key store
proxies.

A call that must know asks once, before it is decided (`Plan.inquiry`); whoever answers knows nothing of KMS's rules.
Source: KMS API Reference, CreateCustomKeyStore and CreateKey (the checks); ConnectionErrorCode; AWS KMS XKS proxy API
specification (the proxy's answers); the values are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.errors import (
    CloudHsmClusterInvalidConfigurationException,
    CloudHsmClusterNotActiveException,
    CloudHsmClusterNotFoundException,
    CloudHsmClusterNotRelatedException,
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
    WRONG_TRUST_ANCHOR = "WRONG_TRUST_ANCHOR"
    NOT_RELATED = "NOT_RELATED"
    XKS_PROXY_ACCESS_DENIED = "XKS_PROXY_ACCESS_DENIED"
    XKS_PROXY_INVALID_CONFIGURATION = "XKS_PROXY_INVALID_CONFIGURATION"
    XKS_PROXY_INVALID_RESPONSE = "XKS_PROXY_INVALID_RESPONSE"
    XKS_PROXY_INVALID_TLS_CONFIGURATION = "XKS_PROXY_INVALID_TLS_CONFIGURATION"
    XKS_PROXY_NOT_REACHABLE = "XKS_PROXY_NOT_REACHABLE"
    XKS_PROXY_TIMED_OUT = "XKS_PROXY_TIMED_OUT"
    XKS_VPC_NOT_FOUND = "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"
    XKS_VPC_INVALID = "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION"
    XKS_KEY_NOT_FOUND = "XKS_KEY_NOT_FOUND"
    XKS_KEY_UNFIT = "XKS_KEY_UNFIT"
    XKS_CIPHERTEXT = "XKS_CIPHERTEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutCluster:
    """Can a store be, or be made, on that cluster? What is None is not asked about. `related_to`: the cluster that it
    shall replace. `hsm_count`: how many active HSMs it must have."""

    cluster_id: str
    hsm_count: int = 2
    trust_anchor: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    related_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutProxy:
    """Does that proxy answer, and are its key managers healthy?"""

    proxy: ProxySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutExternalKey:
    """Is there such a key behind that proxy, and is it an enabled AES-256 key that encrypts and decrypts?"""

    proxy: ProxySettings
    xks_key_id: str


Inquiry = AboutCluster | AboutProxy | AboutExternalKey


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
        Problem.XKS_PROXY_ACCESS_DENIED: XksProxyIncorrectAuthenticationCredentialException,
        Problem.XKS_PROXY_INVALID_CONFIGURATION: XksProxyInvalidConfigurationException,
        Problem.XKS_PROXY_INVALID_TLS_CONFIGURATION: XksProxyInvalidConfigurationException,
        Problem.XKS_PROXY_INVALID_RESPONSE: XksProxyInvalidResponseException,
        Problem.XKS_PROXY_NOT_REACHABLE: XksProxyUriUnreachableException,
        Problem.XKS_PROXY_TIMED_OUT: XksProxyUriUnreachableException,
        Problem.XKS_VPC_NOT_FOUND: XksProxyVpcEndpointServiceNotFoundException,
        Problem.XKS_VPC_INVALID: XksProxyVpcEndpointServiceInvalidConfigurationException,
        Problem.XKS_KEY_NOT_FOUND: XksKeyNotFoundException,
        Problem.XKS_KEY_UNFIT: XksKeyInvalidConfigurationException,
    }
)

_CONNECTION_CODES: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.CLUSTER_NOT_ACTIVE: "NETWORK_ERRORS",
        Problem.INVALID_CREDENTIALS: "INVALID_CREDENTIALS",
        Problem.WRONG_TRUST_ANCHOR: "INTERNAL_ERROR",
    }
)
"""Where ConnectionErrorCode has another word."""

_WORDS: Mapping[Problem, str] = MappingProxyType(
    {
        Problem.XKS_PROXY_TIMED_OUT: "The external key store proxy did not respond in the time allotted.",
        Problem.XKS_PROXY_ACCESS_DENIED: "The external key store proxy denied access to the operation.",
        Problem.XKS_KEY_NOT_FOUND: "The external key store proxy could not find the external key.",
        Problem.XKS_KEY_UNFIT: "The external key is not enabled, or is not configured for this operation.",
        Problem.XKS_CIPHERTEXT: (
            "The external key store proxy rejected the request because the specified ciphertext or additional "
            "authenticated data is corrupted, missing, or otherwise invalid."
        ),
        Problem.XKS_PROXY_INVALID_RESPONSE: "The response of the external key store proxy is not valid.",
    }
)


def refusal_of(problem: Problem) -> KmsError:
    """What a caller hears who makes a store, changes one, or makes a key in one."""
    refusal = _REFUSALS.get(problem, CloudHsmClusterInvalidConfigurationException)
    return refusal(f"The custom key store's backing is not usable: {problem}.")


def refusal_of_key(problem: Problem) -> KmsError:
    """What a caller hears whose new key cannot be in its store because of it."""
    if problem.name.startswith("XKS_KEY"):
        return refusal_of(problem)
    if problem.name.startswith("XKS"):
        return KMSInternalException(in_words(problem))
    return CloudHsmClusterInvalidConfigurationException(in_words(problem))


def connection_error_code(problem: Problem) -> str:
    """`ConnectionErrorCode` of a store that could not be connected because of it."""
    return _CONNECTION_CODES.get(problem, problem.value)


def in_words(problem: Problem) -> str:
    """What a caller hears whose key could not be used because of it. Observed is the text about the ciphertext."""
    return _WORDS.get(problem, f"KMS cannot communicate with the key store of this key: {problem}.")
