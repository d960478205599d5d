"""The AWS Encryption SDK for Python, with multi-Region-aware keys, while a Region is out.

What it shows of the SDK is worth knowing: a keyring or provider of several Regions goes on to the next one when a Region
answers with an error, but not when it does not answer at all. That failover is the application's (`open_anywhere`).
"""

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.conformance.external import multi_region_key, need_package

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUICK = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
ORDER, CONTEXT = b"order 4711", {"shop": "7"}
PARTITION, ACCOUNT = "aws", "000000000000"


@pytest.fixture
def sdk(world, monkeypatch):
    """The client of the SDK; its providers and keyrings find the Regions by the environment."""
    for name, value in {**world.environment, "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    package = need_package("aws_encryption_sdk")
    policy = package.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    return package.EncryptionSDKClient(commitment_policy=policy)


@pytest.fixture
def keys(world):
    return multi_region_key(world)


@pytest.fixture
def providers():
    """Master key providers: what most of the code out there uses."""
    return need_package("aws_encryption_sdk.key_providers.kms")


class Keyrings:
    """Keyrings of the Cryptographic Material Providers Library."""

    def __init__(self, world):
        mpl = need_package("aws_cryptographic_material_providers.mpl")
        config = need_package("aws_cryptographic_material_providers.mpl.config")
        self.models = need_package("aws_cryptographic_material_providers.mpl.models")
        self.library = mpl.AwsCryptographicMaterialProviders(config=config.MaterialProvidersConfig())
        self.world = world

    def of_key(self, arn):
        client = self.world.client(region=arn.split(":")[3], config=QUICK)
        asked = self.models.CreateAwsKmsMrkKeyringInput(kms_key_id=arn, kms_client=client)
        return self.library.create_aws_kms_mrk_keyring(asked)

    def of_all(self, first, *others):
        return self.library.create_multi_keyring(
            self.models.CreateMultiKeyringInput(generator=first, child_keyrings=list(others))
        )

    def discovering(self, *regions):
        found = self.models.DiscoveryFilter(partition=PARTITION, account_ids=[ACCOUNT])
        asked = self.models.CreateAwsKmsMrkDiscoveryMultiKeyringInput(regions=list(regions), discovery_filter=found)
        return self.library.create_aws_kms_mrk_discovery_multi_keyring(asked)


@pytest.fixture
def keyrings(world):
    return Keyrings(world)


def open_anywhere(sdk, sealed, keyrings):
    """An application's failover: the next Region when one cannot be reached."""
    for keyring in keyrings:
        try:
            return sdk.decrypt(source=sealed, keyring=keyring)[0]
        except BotoCoreError:
            continue
    raise AssertionError("no Region answers")


def test_providers_that_know_multi_region_keys_open_in_the_other_region(sdk, world, keys, providers):
    us, eu = keys
    strict, discovery = providers.MRKAwareStrictAwsKmsMasterKeyProvider, providers.DiscoveryFilter
    sealed, header = sdk.encrypt(source=ORDER, key_provider=strict(key_ids=[us]), encryption_context=CONTEXT)
    assert [key.key_provider.key_info.decode() for key in header.encrypted_data_keys] == [us]
    found = discovery(partition=PARTITION, account_ids=[ACCOUNT])
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert sdk.decrypt(source=sealed, key_provider=strict(key_ids=[eu]))[0] == ORDER
        discovering = providers.MRKAwareDiscoveryAwsKmsMasterKeyProvider(
            discovery_filter=found, discovery_region="eu-west-1"
        )
        opened, header = sdk.decrypt(source=sealed, key_provider=discovering)
        assert opened == ORDER
        assert header.encryption_context["shop"] == "7"
    assert told(world, "eu-west-1") == [None, None]


def test_providers_that_do_not_know_them_need_a_data_key_of_each_region(sdk, world, keys, providers):
    us, eu = keys
    strict = providers.StrictAwsKmsMasterKeyProvider
    only_us, _ = sdk.encrypt(source=ORDER, key_provider=strict(key_ids=[us]))
    both, _ = sdk.encrypt(source=ORDER, key_provider=strict(key_ids=[us, eu]))
    unable = need_package("aws_encryption_sdk.exceptions").DecryptKeyError
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert sdk.decrypt(source=both, key_provider=strict(key_ids=[eu]))[0] == ORDER
        with pytest.raises(unable):
            sdk.decrypt(source=only_us, key_provider=strict(key_ids=[eu]))


def test_keyrings_open_in_the_other_region(sdk, world, keys, keyrings):
    us, eu = map(keyrings.of_key, keys)
    sealed, _ = sdk.encrypt(source=ORDER, keyring=us, encryption_context=CONTEXT)
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert sdk.decrypt(source=sealed, keyring=eu)[0] == ORDER
        assert sdk.decrypt(source=sealed, keyring=keyrings.discovering("eu-west-1"))[0] == ORDER
        assert open_anywhere(sdk, sealed, [us, eu]) == ORDER
        sealed_in_europe, _ = sdk.encrypt(source=ORDER, keyring=eu)
    assert sdk.decrypt(source=sealed_in_europe, keyring=us)[0] == ORDER


def test_a_multi_keyring_goes_past_a_region_that_answers_with_an_error(sdk, world, keys, keyrings):
    us, eu = map(keyrings.of_key, keys)
    both = keyrings.of_all(us, eu)
    sealed, header = sdk.encrypt(source=ORDER, keyring=both, encryption_context=CONTEXT)
    assert len(header.encrypted_data_keys) == 2
    with world.fault("hsm_zeroised", region="us-east-1"):  # KMS answers there, and can use no key
        assert sdk.decrypt(source=sealed, keyring=both)[0] == ORDER
    assert told(world, "us-east-1") == ["KMSInternalException"] * 2  # asked for either data key: the keys are related
    assert told(world, "eu-west-1") == [None]


def test_a_multi_keyring_ends_at_a_region_that_does_not_answer(sdk, world, keys, keyrings):
    us, eu = map(keyrings.of_key, keys)
    sealed, _ = sdk.encrypt(source=ORDER, keyring=keyrings.of_all(us, eu))
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        with pytest.raises(BotoCoreError):
            sdk.decrypt(source=sealed, keyring=keyrings.of_all(us, eu))
        assert sdk.decrypt(source=sealed, keyring=keyrings.of_all(eu, us))[0] == ORDER  # never comes to us-east-1


def told(world, region):
    """What Decrypt was answered there, by the trail: error codes, None for none."""
    return [event.get("errorCode") for event in world.events(event="Decrypt", region=region)]


def test_a_changed_context_is_not_opened(sdk, world, keys, keyrings):
    keyring = keyrings.of_key(keys[0])
    sealed, _ = sdk.encrypt(source=ORDER, keyring=keyring, encryption_context=CONTEXT)
    changed = sealed.replace(b"shop\x00\x017", b"shop\x00\x018")
    assert changed != sealed
    with pytest.raises(Exception, match="No Configured KMS Key was able to decrypt"):
        sdk.decrypt(source=changed, keyring=keyring)
    assert told(world, "us-east-1") == ["InvalidCiphertextException"]
