"""What CreateCustomKeyStore and UpdateCustomKeyStore are asked for: which parameters fit together, and the store that
they describe.

Source: KMS API Reference, the operations of these names; the texts are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.kms.errors import ValidationException
from regionsim.kms.key_stores import KeyStore, ProxySettings, StoreType
from regionsim.names.dataclass import dataclass

PUBLIC = "PUBLIC_ENDPOINT"
VPC = "VPC_ENDPOINT_SERVICE"
_CLUSTER_PARAMETERS = ("cloud_hsm_cluster_id", "trust_anchor_certificate", "key_store_password")
_PROXY_PARAMETERS = (
    "xks_proxy_uri_endpoint",
    "xks_proxy_uri_path",
    "xks_proxy_authentication_credential",
    "xks_proxy_connectivity",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCustomKeyStoreRequest:
    custom_key_store_name: str
    cloud_hsm_cluster_id: str | None = None
    trust_anchor_certificate: str | None = field(default=None, repr=False)
    key_store_password: str | None = field(default=None, repr=False)
    custom_key_store_type: str = StoreType.AWS_CLOUDHSM.value
    xks_proxy_uri_endpoint: str | None = None
    xks_proxy_uri_path: str | None = None
    xks_proxy_vpc_endpoint_service_name: str | None = None
    xks_proxy_vpc_endpoint_service_owner: str | None = None
    xks_proxy_authentication_credential: Mapping[str, str] | None = field(default=None, repr=False)
    xks_proxy_connectivity: str | None = None

    @property
    def secret(self) -> str | None:
        """What nobody but the keeper of the keys may hear."""
        return _secret(self.key_store_password, self.xks_proxy_authentication_credential)

    def require_fitting(self) -> None:
        """Errors: ValidationException for parameters that a store of that type lacks, or does not have."""
        is_external = self.custom_key_store_type == StoreType.EXTERNAL_KEY_STORE
        wanted, other = (_PROXY_PARAMETERS, _CLUSTER_PARAMETERS)[:: 1 if is_external else -1]
        missing = [name for name in wanted if getattr(self, name) is None]
        surplus = [name for name in other if getattr(self, name) is not None]
        if missing:
            raise ValidationException(
                f"{_aws_name(missing[0])} is required for a {self.custom_key_store_type} key store."
            )
        if surplus:
            raise ValidationException(
                f"{_aws_name(surplus[0])} is not valid for a {self.custom_key_store_type} key store."
            )
        has_service = self.xks_proxy_vpc_endpoint_service_name is not None
        if has_service != (self.xks_proxy_connectivity == VPC):
            raise ValidationException(f"XksProxyVpcEndpointServiceName goes with XksProxyConnectivity {VPC}.")

    def proxy(self) -> ProxySettings | None:
        """The settings of an external key store's proxy."""
        credential = self.xks_proxy_authentication_credential
        if credential is None:
            return None
        return ProxySettings(
            connectivity=self.xks_proxy_connectivity or PUBLIC,
            uri_endpoint=self.xks_proxy_uri_endpoint or "",
            uri_path=self.xks_proxy_uri_path or "",
            access_key_id=credential["AccessKeyId"],
            vpc_service_name=self.xks_proxy_vpc_endpoint_service_name,
            vpc_service_owner=self.xks_proxy_vpc_endpoint_service_owner,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCustomKeyStoreRequest:
    custom_key_store_id: str
    new_custom_key_store_name: str | None = None
    key_store_password: str | None = field(default=None, repr=False)
    cloud_hsm_cluster_id: str | None = None
    xks_proxy_uri_endpoint: str | None = None
    xks_proxy_uri_path: str | None = None
    xks_proxy_vpc_endpoint_service_name: str | None = None
    xks_proxy_vpc_endpoint_service_owner: str | None = None
    xks_proxy_authentication_credential: Mapping[str, str] | None = field(default=None, repr=False)
    xks_proxy_connectivity: str | None = None

    @property
    def secret(self) -> str | None:
        """What nobody but the keeper of the keys may hear, if it is a new one."""
        return _secret(self.key_store_password, self.xks_proxy_authentication_credential)

    @property
    def changes_cluster(self) -> bool:
        return self.key_store_password is not None or self.cloud_hsm_cluster_id is not None

    @property
    def changes_address(self) -> bool:
        """True for what a connected external key store does not let be changed."""
        return any(
            given is not None
            for given in (
                self.xks_proxy_uri_endpoint,
                self.xks_proxy_vpc_endpoint_service_name,
                self.xks_proxy_vpc_endpoint_service_owner,
                self.xks_proxy_connectivity,
            )
        )

    @property
    def changes_proxy(self) -> bool:
        credential = self.xks_proxy_authentication_credential
        return self.changes_address or self.xks_proxy_uri_path is not None or credential is not None

    def applied_to(self, store: KeyStore) -> KeyStore:
        """The store as it is to be. Errors: ValidationException for what its type does not have."""
        if (self.changes_cluster and store.proxy is not None) or (self.changes_proxy and store.proxy is None):
            raise ValidationException(f"A parameter is not valid for a {store.type} key store.")
        return store.changed(
            name=self.new_custom_key_store_name or store.name,
            cluster_id=self.cloud_hsm_cluster_id or store.cluster_id,
            proxy=None if store.proxy is None else self._proxy(store.proxy),
        )

    def _proxy(self, known: ProxySettings) -> ProxySettings:
        credential = self.xks_proxy_authentication_credential or {}
        connectivity = self.xks_proxy_connectivity or known.connectivity
        service = self.xks_proxy_vpc_endpoint_service_name or known.vpc_service_name
        if connectivity != known.connectivity and self.xks_proxy_uri_endpoint is None:
            raise ValidationException("XksProxyUriEndpoint must be changed together with XksProxyConnectivity.")
        if connectivity == VPC and service is None:
            raise ValidationException(f"XksProxyVpcEndpointServiceName is required with XksProxyConnectivity {VPC}.")
        if connectivity == PUBLIC and self.xks_proxy_vpc_endpoint_service_name is not None:
            raise ValidationException(f"XksProxyVpcEndpointServiceName goes with XksProxyConnectivity {VPC}.")
        return ProxySettings(
            connectivity=connectivity,
            uri_endpoint=self.xks_proxy_uri_endpoint or known.uri_endpoint,
            uri_path=self.xks_proxy_uri_path or known.uri_path,
            access_key_id=credential.get("AccessKeyId", known.access_key_id),
            vpc_service_name=service if connectivity == VPC else None,
            vpc_service_owner=self.xks_proxy_vpc_endpoint_service_owner or known.vpc_service_owner,
        )


def _secret(password: str | None, credential: Mapping[str, str] | None) -> str | None:
    return password if credential is None else credential["RawSecretAccessKey"]


def _aws_name(field_name: str) -> str:
    return "".join(word.capitalize() for word in field_name.split("_"))
