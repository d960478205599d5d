"""The refusals of KMS, each a class named as AWS names it.

KmsError
├── AlreadyExistsException
├── ConflictException
├── DisabledException
├── DryRunOperationException
├── ExpiredImportTokenException
├── IncorrectKeyException
├── IncorrectKeyMaterialException
├── InvalidAliasNameException
├── InvalidArnException
├── InvalidCiphertextException
├── InvalidGrantIdException
├── InvalidGrantTokenException
├── InvalidImportTokenException
├── InvalidKeyUsageException
├── InvalidMarkerException
├── KMSInvalidMacException
├── KMSInvalidSignatureException
├── KMSInvalidStateException
├── LimitExceededException
├── MalformedPolicyDocumentException
├── NotFoundException
├── TagException
├── UnsupportedOperationException
├── CustomKeyStoreError
│   ├── CloudHsmClusterInUseException
│   ├── CloudHsmClusterInvalidConfigurationException
│   ├── CloudHsmClusterNotActiveException
│   ├── CloudHsmClusterNotFoundException
│   ├── CloudHsmClusterNotRelatedException
│   ├── CustomKeyStoreHasCMKsException
│   ├── CustomKeyStoreInvalidStateException
│   ├── CustomKeyStoreNameInUseException
│   ├── CustomKeyStoreNotFoundException
│   ├── IncorrectTrustAnchorException
│   ├── XksKeyAlreadyInUseException
│   ├── XksKeyInvalidConfigurationException
│   ├── XksKeyNotFoundException
│   ├── XksProxyIncorrectAuthenticationCredentialException
│   ├── XksProxyInvalidConfigurationException
│   ├── XksProxyInvalidResponseException
│   ├── XksProxyUriEndpointInUseException
│   ├── XksProxyUriInUseException
│   ├── XksProxyUriUnreachableException
│   ├── XksProxyVpcEndpointServiceInUseException
│   ├── XksProxyVpcEndpointServiceInvalidConfigurationException
│   └── XksProxyVpcEndpointServiceNotFoundException
├── ServerFault  (500; ServiceUnavailable 503)
│   ├── DependencyTimeoutException
│   ├── KMSInternalException
│   ├── KeyUnavailableException
│   ├── InternalFailure
│   └── ServiceUnavailable
└── FrontDoorRefusal
    ├── AccessDeniedException
    ├── ExpiredTokenException
    ├── IncompleteSignature
    ├── InvalidAction
    ├── InvalidClientTokenId  (403)
    ├── InvalidSignatureException
    ├── MissingAuthenticationTokenException
    ├── NotAuthorized
    ├── OptInRequired  (403)
    ├── RequestEntityTooLargeException  (413)
    ├── RequestExpired
    ├── SerializationException
    ├── ThrottlingException
    ├── UnknownOperationException
    ├── UnrecognizedClientException
    └── ValidationException

Status 400 unless shown. A class without subclasses is one refusal; the classes between are families, to be caught and
never raised. Source: botocore 1.44.5 (names; `fault` gives 500); KMS API Reference, "Common Errors" (the others).
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, final

if TYPE_CHECKING:
    from regionsim.authorization.decide import Policies
    from regionsim.authorization.request import Request


class KmsError(Exception):
    """A refusal: KMS's answer to a call that it does not carry out.

    `message` is AWS's text, empty where AWS sends none. `may_have_happened` is True when the caller cannot know whether
    the call took effect (another Region's word did not come back in time).
    """

    code: ClassVar[str]
    """AWS's name of the refusal, as it stands in `__type`; a family has none."""

    http_status: ClassVar[int] = 400

    may_have_happened: bool = False

    def __init_subclass__(cls, *, family: bool = False) -> None:
        super().__init_subclass__()
        if not family:
            cls.code = cls.__name__

    def __init__(self, message: str = "", *, may_have_happened: bool = False) -> None:
        assert hasattr(type(self), "code"), f"{type(self).__name__} is a family: raise one of its members"
        super().__init__(message)
        self.message = message
        self.may_have_happened = may_have_happened

    @final
    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class AlreadyExistsException(KmsError):
    """What the call would create exists already."""


class ConflictException(KmsError):
    """An automatic rotation of the key is under way, or due within 20 minutes."""


class DisabledException(KmsError):
    """The KMS key is disabled."""


class DryRunOperationException(KmsError):
    """The call would have succeeded, but it was a dry run."""


class ExpiredImportTokenException(KmsError):
    """The import token is older than 24 hours."""


class IncorrectKeyException(KmsError):
    """The KMS key named in the call did not make the ciphertext."""


class IncorrectKeyMaterialException(KmsError):
    """The imported material is invalid, expired, or not the material that was imported before."""


class InvalidAliasNameException(KmsError):
    """The alias name is not valid."""


class InvalidArnException(KmsError):
    """An ARN is not valid, or names something that the operation does not take."""


class InvalidCiphertextException(KmsError):
    """The ciphertext, its context or its material is not what a key here made. Carries no text."""


class InvalidGrantIdException(KmsError):
    """No such grant."""


class InvalidGrantTokenException(KmsError):
    """The grant token is not valid."""


class InvalidImportTokenException(KmsError):
    """The import token is invalid, or belongs to another KMS key."""


class InvalidKeyUsageException(KmsError):
    """The key's usage or its algorithm does not fit the operation."""


class InvalidMarkerException(KmsError):
    """The marker of the next page is not one that was given out."""


class KMSInvalidMacException(KmsError):
    """The MAC does not verify. Carries no text."""


class KMSInvalidSignatureException(KmsError):
    """The signature does not verify. Carries no text."""


class KMSInvalidStateException(KmsError):
    """The key's state does not allow the operation."""


class LimitExceededException(KmsError):
    """A resource quota or a length limit is exceeded."""


class MalformedPolicyDocumentException(KmsError):
    """The policy is not valid, in its grammar or in its meaning."""


class NotFoundException(KmsError):
    """What the call names does not exist in this Region."""


class TagException(KmsError):
    """A tag is not valid."""


class UnsupportedOperationException(KmsError):
    """The key's type or origin does not support the operation."""


class CustomKeyStoreError(KmsError, family=True):
    """A custom key store, its CloudHSM cluster or its external key store proxy does not allow the call."""


class CloudHsmClusterInUseException(CustomKeyStoreError):
    """The cluster belongs to another custom key store already."""


class CloudHsmClusterInvalidConfigurationException(CustomKeyStoreError):
    """The cluster's configuration is not one that a custom key store can use."""


class CloudHsmClusterNotActiveException(CustomKeyStoreError):
    """The cluster is not active."""


class CloudHsmClusterNotFoundException(CustomKeyStoreError):
    """No such cluster."""


class CloudHsmClusterNotRelatedException(CustomKeyStoreError):
    """The new cluster has another certificate than the old one."""


class CustomKeyStoreHasCMKsException(CustomKeyStoreError):
    """The store still holds KMS keys."""


class CustomKeyStoreInvalidStateException(CustomKeyStoreError):
    """The store's connection state does not allow the operation."""


class CustomKeyStoreNameInUseException(CustomKeyStoreError):
    """Another store has the name already."""


class CustomKeyStoreNotFoundException(CustomKeyStoreError):
    """No such store."""


class IncorrectTrustAnchorException(CustomKeyStoreError):
    """The trust anchor is not the certificate of the cluster."""


class XksKeyAlreadyInUseException(CustomKeyStoreError):
    """Another KMS key has this external key already."""


class XksKeyInvalidConfigurationException(CustomKeyStoreError):
    """The external key is not an enabled AES-256 key for encryption and decryption."""


class XksKeyNotFoundException(CustomKeyStoreError):
    """The proxy does not know the external key."""


class XksProxyIncorrectAuthenticationCredentialException(CustomKeyStoreError):
    """The proxy did not accept the credential."""


class XksProxyInvalidConfigurationException(CustomKeyStoreError):
    """The proxy is not configured as its specification wants."""


class XksProxyInvalidResponseException(CustomKeyStoreError):
    """The proxy's answer cannot be understood."""


class XksProxyUriEndpointInUseException(CustomKeyStoreError):
    """Another store has this endpoint with another kind of connection."""


class XksProxyUriInUseException(CustomKeyStoreError):
    """Another store has this endpoint and path already."""


class XksProxyUriUnreachableException(CustomKeyStoreError):
    """The proxy cannot be reached."""


class XksProxyVpcEndpointServiceInUseException(CustomKeyStoreError):
    """Another store has this VPC endpoint service already."""


class XksProxyVpcEndpointServiceInvalidConfigurationException(CustomKeyStoreError):
    """The VPC endpoint service is not configured as KMS needs it."""


class XksProxyVpcEndpointServiceNotFoundException(CustomKeyStoreError):
    """No such VPC endpoint service."""


class ServerFault(KmsError, family=True):
    """KMS is at fault, not the caller: the same call may succeed later, or in another Region."""

    http_status = 500


class DependencyTimeoutException(ServerFault):
    """Something that KMS depends on did not answer in time."""


class KMSInternalException(ServerFault):
    """KMS failed within."""


class KeyUnavailableException(ServerFault):
    """The key cannot be used at the moment; the call may be repeated."""


class InternalFailure(ServerFault):
    """The front door failed within."""


class ServiceUnavailable(ServerFault):
    """The service is out of reach for the moment."""

    http_status = 503


class FrontDoorRefusal(KmsError, family=True):
    """Refused before KMS's own rules are asked, or by AWS's common layer: no operation of the model lists these."""


class AccessDeniedException(FrontDoorRefusal):
    """No policy allows the call, or one denies it.

    `reason` is what was decided on (the request, the policies), for who explains it; the caller hears only the message.
    """

    def __init__(self, message: str = "", *, reason: tuple[Request, Policies] | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class ExpiredTokenException(FrontDoorRefusal):
    """The session's token has expired."""


class IncompleteSignature(FrontDoorRefusal):
    """The signature lacks a part."""


class InvalidAction(FrontDoorRefusal):
    """The action is not valid."""


class InvalidClientTokenId(FrontDoorRefusal):
    """The access key id is unknown."""

    http_status = 403


class InvalidSignatureException(FrontDoorRefusal):
    """The signature is not the one that the request needs, or its date is too far off."""


class MissingAuthenticationTokenException(FrontDoorRefusal):
    """The request carries no credential."""


class NotAuthorized(FrontDoorRefusal):
    """The caller may not do this."""


class OptInRequired(FrontDoorRefusal):
    """The account has not subscribed to the service."""

    http_status = 403


class RequestEntityTooLargeException(FrontDoorRefusal):
    """The body is larger than the endpoint takes."""

    http_status = 413


class RequestExpired(FrontDoorRefusal):
    """The request's date is too old, or too far ahead."""


class SerializationException(FrontDoorRefusal):
    """The body is not JSON, or a member has the wrong JSON type."""


class ThrottlingException(FrontDoorRefusal):
    """The account's request quota for the operation is used up; slow down."""


class UnknownOperationException(FrontDoorRefusal):
    """No such operation."""


class UnrecognizedClientException(FrontDoorRefusal):
    """The security token is invalid."""


class ValidationException(FrontDoorRefusal):
    """A parameter breaks a rule that needs no key to check, or the parameters do not fit together."""


def _refusals(parent: type[KmsError]) -> Iterator[type[KmsError]]:
    for child in parent.__subclasses__():
        if "code" in vars(child):
            yield child
        yield from _refusals(child)


REFUSALS = MappingProxyType({refusal.code: refusal for refusal in _refusals(KmsError)})
"""AWS's name -> the class, for every refusal there is."""
