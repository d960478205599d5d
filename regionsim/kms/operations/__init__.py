"""The operations of the KMS API, one module per family, one registry (`registry.REGISTRY`)."""
