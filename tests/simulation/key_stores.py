"""Backing for custom key stores, as tests give it to CreateCustomKeyStore."""

from __future__ import annotations

from typing import Any

CLUSTER = "cluster-abcdefghijk"
OTHER_CLUSTER = "cluster-abcdefghijm"
ANCHOR = "-----BEGIN CERTIFICATE-----"
CREDENTIAL = {"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": "s" * 43}
ENDPOINT, PATH = "https://proxy.example.com", "/kms/xks/v1"
ADDRESS = (ENDPOINT, PATH)
ON_CLUSTER: dict[str, Any] = {
    "CloudHsmClusterId": CLUSTER,
    "TrustAnchorCertificate": ANCHOR,
    "KeyStorePassword": "kmsPswd",
}
PRIVATE_SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789"
ON_PROXY: dict[str, Any] = {
    "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
    "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    "XksProxyUriEndpoint": ENDPOINT,
    "XksProxyUriPath": PATH,
    "XksProxyAuthenticationCredential": CREDENTIAL,
}
ON_PRIVATE_PROXY: dict[str, Any] = {
    **ON_PROXY,
    "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
    "XksProxyUriEndpoint": "https://private.example.com",
    "XksProxyVpcEndpointServiceName": PRIVATE_SERVICE,
}
