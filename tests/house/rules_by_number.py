"""The rules of KMS that callers rely on most, by number, each with the tests that hold it.

Run those of one: `python -m pytest $(python -m tests.house.rules_by_number 12)`. Source: KMS Developer Guide and API
Reference; texts observed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[int, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        1: (
            "CreateKey with no arguments: SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT, AWS_KMS, single-Region, Enabled, the default policy's text",
            (
                "simulation/test_one_region_keys.py::test_a_key_made_with_no_arguments_is_what_aws_makes",
                "unit/kms/test_key_policies.py::test_the_default_policy_is_aws_s_recorded_text",
            ),
        ),
        2: (
            "HMAC, RSA, ECC without KeyUsage: ValidationException with its text",
            (
                "simulation/test_one_region_keys.py::test_a_key_that_cannot_be_is_refused_in_aws_s_words",
                "simulation/test_one_region_macs.py::test_hmac_keys_need_their_usage_and_show_no_material",
            ),
        ),
        3: (
            'KEY_AGREEMENT with RSA_2048: "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"',
            (
                "simulation/test_one_region_signing.py::test_a_usage_that_does_not_go_with_the_spec_is_told_in_aws_s_words",
            ),
        ),
        4: (
            "An id begins with mrk- if and only if the key is multi-Region; any other is a UUID",
            (
                "simulation/test_one_region_keys.py::test_a_multi_region_key_is_a_primary_with_an_id_of_its_own_form",
                "simulation/test_one_region_keys.py::test_a_key_made_with_no_arguments_is_what_aws_makes",
            ),
        ),
        5: (
            "Encrypt takes 4,096 bytes; 4,097 are a ValidationException without the value",
            (
                "simulation/test_one_region_cryptography.py::test_every_length_up_to_4096_comes_back",
                "simulation/test_one_region_cryptography.py::test_4097_bytes_are_refused_without_being_told",
            ),
        ),
        6: (
            "RSA encrypts at most 190, 214, 318, 342, 446, 470 bytes",
            (
                "unit/kms/test_key_specs.py::test_what_rsa_encrypts_at_most",
                "simulation/test_one_region_key_pairs.py::test_what_does_not_fit_into_the_modulus_is_told_with_its_limit",
            ),
        ),
        7: (
            "GenerateRandom of no number, 0 and 1,025: three texts",
            ("simulation/test_one_region_cryptography.py::test_no_number_too_small_a_one_and_too_large_a_one",),
        ),
        8: (
            "A dry run ends in an error: DryRunOperationException when allowed, AccessDeniedException when not",
            (
                "simulation/test_every_operation.py::test_a_dry_run_says_what_would_be_and_does_nothing",
                "simulation/test_one_region_cryptography.py::test_a_dry_run_never_succeeds",
            ),
        ),
        9: (
            "Decrypt without KeyId is for symmetric keys only; with another KeyId: IncorrectKeyException",
            (
                "simulation/test_one_region_key_pairs.py::test_an_rsa_ciphertext_is_as_long_as_the_modulus_and_opens_with_the_key_s_name",
                "simulation/test_one_region_cryptography.py::test_a_key_that_did_not_make_the_blob_is_the_incorrect_one_whatever_its_state",
                "simulation/test_one_region_cryptography.py::test_what_is_encrypted_decrypts_without_naming_the_key",
            ),
        ),
        10: (
            "Another context: InvalidCiphertextException with no message",
            ("simulation/test_one_region_cryptography.py::test_another_context_opens_nothing_and_says_nothing",),
        ),
        11: (
            "ReEncrypt needs kms:ReEncryptFrom and kms:ReEncryptTo; its answer has two key material ids",
            (
                "simulation/test_one_region_authorization.py::test_reencrypt_takes_a_permission_on_each_of_its_keys",
                "simulation/test_one_region_cryptography.py::test_reencrypt_on_one_key_brings_a_blob_to_its_newest_material",
                "simulation/test_one_region_audit.py::test_reencrypt_is_recorded_with_both_keys_and_both_materials",
            ),
        ),
        12: (
            'Sign with a digest of another length: "Digest is invalid length for algorithm X."',
            ("simulation/test_one_region_signing.py::test_each_algorithm_takes_its_own_message_types_and_lengths",),
        ),
        13: (
            "Verify of a wrong signature: KMSInvalidSignatureException, never false",
            ("simulation/test_one_region_signing.py::test_what_a_key_signs_it_verifies_and_nothing_else",),
        ),
        14: (
            "An alias to a key of another Region or account is refused; the text about its prefix",
            (
                "simulation/test_one_region_aliases.py::test_a_target_is_a_key_of_this_account_and_region",
                "simulation/test_one_region_aliases.py::test_a_name_that_cannot_be_is_refused_in_aws_s_words",
            ),
        ),
        15: (
            "50 aliases on a key; the 51st: LimitExceededException",
            ("simulation/test_one_region_aliases.py::test_a_key_has_fifty_aliases_and_not_one_more",),
        ),
        16: (
            "Tags: aws: in any case, duplicates, 50, lengths",
            (
                "unit/kms/test_tags.py::test_names_that_aws_keeps_for_itself",
                "unit/kms/test_tags.py::test_a_name_twice",
                "unit/kms/test_tags.py::test_fifty_and_one_more",
                "simulation/test_one_region_grants.py::test_a_tag_has_its_lengths",
                "simulation/test_one_region_grants.py::test_tags_and_description_are_the_key_s_own",
            ),
        ),
        17: (
            "A grant of the same name and parameters is the same grant; of other parameters a new one",
            ("simulation/test_one_region_grants.py::test_the_same_name_and_parameters_give_the_same_grant",),
        ),
        18: (
            "EncryptionContextSubset fits a superset only, EncryptionContextEquals that context only; never an asymmetric operation",
            (
                "simulation/test_one_region_grants.py::test_constraints_compare_the_encryption_context",
                "simulation/test_one_region_grants.py::test_what_no_grant_can_say",
            ),
        ),
        19: (
            "A grant token makes a grant usable that is not everywhere yet",
            (
                "simulation/test_one_region_grants.py::test_a_new_grant_counts_for_its_token_at_once_and_for_everybody_later",
            ),
        ),
        20: (
            "RetireGrant by the grantee only if the grant says RetireGrant, by the retiring principal, by the account",
            ("simulation/test_one_region_grants.py::test_who_may_retire",),
        ),
        21: (
            'A disabled key: cryptography is "<arn> is disabled.", policy, tags and aliases go on',
            (
                "simulation/test_one_region_states.py::test_a_disabled_key_refuses_cryptography_and_takes_the_rest",
                "simulation/test_one_region_states.py::test_an_operation_does_in_each_state_what_the_guide_says",
            ),
        ),
        22: (
            "ScheduleKeyDeletion of a disabled key; a second one: KMSInvalidStateException; cancelled: Disabled",
            (
                "simulation/test_one_region_deletion.py::test_the_answer_says_when_and_the_key_is_out_of_use",
                "simulation/test_one_region_deletion.py::test_cancelled_it_is_disabled_and_stays",
                "simulation/test_one_region_states.py::test_an_operation_does_in_each_state_what_the_guide_says",
            ),
        ),
        23: (
            "Deleted: NotFoundException by id, AccessDeniedException by ciphertext",
            (
                "simulation/test_one_region_deletion.py::test_when_the_window_ends_everything_of_the_key_is_gone",
                "simulation/test_one_region_cryptography.py::test_a_blob_of_a_key_that_is_not_here_is_denied_and_not_missed",
            ),
        ),
        24: (
            "Rotation: the next is one period after it was enabled; 89 and 2,561 days are refused",
            (
                "simulation/test_one_region_rotation.py::test_the_first_rotation_is_one_period_after_it_was_enabled_and_the_next_ones_each_a_period_later",
                "simulation/test_one_region_rotation.py::test_a_period_is_from_90_to_2560_days",
            ),
        ),
        25: (
            "Disabled over the date, then enabled: rotated at once",
            (
                "simulation/test_one_region_rotation.py::test_a_disabled_key_is_not_rotated_and_catches_up_when_it_is_enabled",
            ),
        ),
        26: (
            "The 26th rotation on demand: LimitExceededException and its text; none moves NextRotationDate",
            (
                "simulation/test_one_region_keys.py::test_the_26th_rotation_on_demand_is_one_too_many",
                "simulation/test_one_region_rotation.py::test_a_rotation_on_demand_moves_no_date_and_does_not_come_shortly_before_one",
            ),
        ),
        27: (
            "An old ciphertext decrypts, with the KeyMaterialId of the old material",
            ("simulation/test_one_region_rotation.py::test_old_material_decrypts_and_new_material_encrypts",),
        ),
        28: (
            "A multi-Region key is rotated when all replicas hold the material; with a link down all go on with the old",
            ("simulation/test_multi_region_keys.py::test_a_rotation_is_used_by_nobody_before_every_region_holds_it",),
        ),
        29: (
            "ReplicateKey: Creating, then Enabled; policy, tags and description stay; twice: AlreadyExistsException; from a replica: UnsupportedOperationException",
            (
                "simulation/test_multi_region_keys.py::test_a_replica_is_creating_then_enabled_and_decrypts_what_the_primary_encrypted",
                "simulation/test_multi_region_keys.py::test_policy_description_and_tags_stay_in_their_region",
                "simulation/test_multi_region_keys.py::test_replicate_key_is_refused_where_aws_refuses_it",
            ),
        ),
        30: (
            'A blob of one Region decrypts in the other without KeyId; an ARN of another Region: "Invalid arn <Region>"',
            (
                "simulation/test_multi_region_keys.py::test_a_replica_is_creating_then_enabled_and_decrypts_what_the_primary_encrypted",
                "simulation/test_multi_region_keys.py::test_a_replica_serves_without_its_primary_s_region_and_takes_nothing_that_is_the_primary_s",
                "unit/kms/test_key_identifiers.py::test_what_leads_nowhere_is_refused_as_aws_refuses_it",
            ),
        ),
        31: (
            "Single-Region keys with the same imported bytes do not open each other's ciphertexts",
            ("simulation/test_imported_material.py::test_the_same_bytes_in_two_keys_are_two_materials",),
        ),
        32: (
            'UpdatePrimaryRegion: both Updating, cryptography goes on, changes are refused with "is updating.", roles swap, ARNs stay',
            (
                "simulation/test_multi_region_keys.py::test_a_primary_move_swaps_the_roles_and_both_ends_are_updating_meanwhile",
            ),
        ),
        33: (
            "Deletion of a primary with replicas: PendingReplicaDeletion, the window and no date; it counts from the last replica's real end",
            (
                "simulation/test_multi_region_calendar.py::test_a_primary_waits_for_its_replicas_end_and_then_for_its_own",
            ),
        ),
        34: (
            "A replica serves while the primary's Region is down; ReplicateKey and UpdatePrimaryRegion cannot be had",
            (
                "simulation/test_multi_region_keys.py::test_a_replica_serves_without_its_primary_s_region_and_takes_nothing_that_is_the_primary_s",
                "simulation/test_multi_region_keys.py::test_a_replica_cannot_promote_itself_and_the_primary_cannot_when_it_is_down",
            ),
        ),
        35: (
            "Import: a token ends after 24 h; other bytes: IncorrectKeyMaterialException; the text about a missing ValidTo",
            (
                "simulation/test_imported_material.py::test_a_token_is_good_for_a_day_and_for_its_own_key",
                "simulation/test_imported_material.py::test_material_expires_on_its_date_and_comes_back_with_the_same_bytes_only",
                "simulation/test_imported_material.py::test_dates_and_ids_that_do_not_fit",
            ),
        ),
        36: (
            "Expiry: PendingImport and DeleteExpiredKeyMaterial; the same bytes again: Enabled",
            (
                "simulation/test_imported_material.py::test_material_expires_on_its_date_and_comes_back_with_the_same_bytes_only",
            ),
        ),
        37: (
            "EXTERNAL: NEW_KEY_MATERIAL waits; a second one and a rotation without one have their texts",
            (
                "simulation/test_imported_material.py::test_new_material_waits_for_its_rotation_and_the_old_goes_on_decrypting",
                "simulation/test_imported_material.py::test_only_one_material_waits_and_none_comes_twice_as_new",
            ),
        ),
        38: (
            "Without the account's statement and a direct allow even an administrator is denied; IAM alone is useless",
            ("simulation/test_one_region_authorization.py::test_without_the_account_s_statement_iam_alone_is_useless",),
        ),
        39: (
            "An explicit Deny in the key policy beats grant and root",
            (
                "simulation/test_one_region_authorization.py::test_an_explicit_deny_beats_the_root_user_and_every_allow",
                "simulation/test_one_region_grants.py::test_a_deny_wins_over_a_grant",
            ),
        ),
        40: (
            "Another account needs both sides; what is not for other accounts never works there",
            (
                "simulation/test_one_region_authorization.py::test_another_account_needs_both_sides",
                "simulation/test_every_operation.py::test_only_what_is_for_other_accounts_works_there",
            ),
        ),
        41: (
            "The lockout check's text; BypassPolicyLockoutSafetyCheck skips it",
            ("simulation/test_one_region_authorization.py::test_the_lockout_check_and_its_bypass",),
        ),
        42: (
            "A principal that does not exist: the text about invalid principals",
            (
                "simulation/test_one_region_authorization.py::test_a_principal_that_does_not_exist_is_refused_when_it_is_written",
            ),
        ),
        43: (
            "ForAllValues on EncryptionContext:x is refused; IfExists, Null and negated operators without the key go by their table",
            (
                "simulation/test_one_region_authorization.py::test_for_all_values_on_a_context_pair_is_refused_when_it_is_written",
                "unit/authorization/test_conditions.py::TestAbsentAndSeveral",
                "unit/authorization/test_conditions.py::TestNull",
            ),
        ),
        44: (
            "kms:ViaService is not there on a direct call; an AWS managed key refuses direct use",
            (
                "simulation/test_aws_managed_keys.py::test_nobody_uses_it_but_through_its_service",
                "simulation/test_one_region_circumstances.py::test_a_condition_on_the_way_of_a_call",
            ),
        ),
        45: (
            "ReEncryptOnSameKey; RequestAlias is not ResourceAliases",
            (
                "simulation/test_one_region_authorization.py::test_reencrypt_on_same_key_compares_the_two_keys",
                "simulation/test_one_region_authorization.py::test_request_alias_is_how_the_key_was_named_and_resource_aliases_what_it_has",
            ),
        ),
        46: (
            "The texts of AccessDeniedException by kind of policy",
            (
                "unit/authorization/test_sentences.py::test_each_reason",
                "simulation/test_one_region_authorization.py::test_a_session_is_named_by_its_own_arn",
            ),
        ),
        47: (
            "CloudTrail: cryptography is read-only with its context and without plaintext; RotateKey is a service's event; ReplicateKey and UpdatePrimaryRegion are told in both Regions",
            (
                "simulation/test_one_region_audit.py::test_cryptography_is_read_only_and_shows_its_context_and_its_material",
                "simulation/test_one_region_audit.py::test_no_record_and_no_trace_holds_a_secret",
                "simulation/test_one_region_audit.py::test_a_rotation_is_a_service_event_beside_the_call",
                "simulation/test_audit_records.py::test_what_replicate_key_leaves_in_both_regions",
                "simulation/test_audit_records.py::test_what_a_rotation_and_a_move_leave_in_the_other_region",
            ),
        ),
        48: (
            "Throttling: DescribeKey 2,000/s, CreateGrant 50/s, one bucket for symmetric cryptography; ThrottlingException is 400 with its text",
            (
                "simulation/test_one_region_quotas.py::test_operations_do_not_share_but_symmetric_cryptography_does",
                "simulation/test_one_region_quotas.py::test_the_sixth_create_key_in_a_second_is_one_too_many",
                "unit/kms/test_quotas.py::test_an_operation_has_the_guide_s_rate_of_its_own",
                "unit/kms/test_quotas.py::test_symmetric_cryptography_shares_one_bucket_that_depends_on_the_region",
            ),
        ),
        49: (
            "A walk by Limit and Marker meets each item once; another marker: InvalidMarkerException",
            ("simulation/test_every_operation.py::test_a_walk_covers_each_item_once_whatever_the_limit",),
        ),
        50: (
            "The wire: no or an unknown target: UnknownOperationException; bad JSON: SerializationException; empty bodies, epoch floats, base64",
            (
                "conformance/test_abuse.py::test_no_operation_at_all",
                "conformance/test_abuse.py::test_an_operation_that_is_not_there",
                "conformance/test_abuse.py::test_a_body_that_is_not_what_it_should_be",
                "unit/kms/test_shapes.py::test_an_operation_without_output_has_an_empty_body",
                "unit/kms/test_shapes.py::test_encode_writes_blobs_as_text_and_times_with_milliseconds",
            ),
        ),
        51: (
            "A credential scope of another Region: an InvalidSignature error",
            ("conformance/test_boto3.py::test_a_regions_own_port_wants_its_own_region",),
        ),
        52: (
            "A blob is 152 + n bytes; the same plaintext twice gives two blobs",
            (
                "simulation/test_one_region_cryptography.py::test_every_length_up_to_4096_comes_back",
                "simulation/test_one_region_cryptography.py::test_the_same_plaintext_twice_gives_two_blobs_that_begin_as_aws_s",
                "unit/kms/test_ciphertext.py::test_small_plaintexts_cost_152_bytes",
            ),
        ),
        53: (
            "A restarted HSM is EMPTY until it has joined; a Region without HSMs answers 500, and describes",
            (
                "unit/hsm/test_hsm.py::test_an_hsm_joins_before_it_serves",
                "unit/hsm/test_fleet.py::test_a_restarted_hsm_joins_the_domain_as_it_is_when_it_has_joined",
                "simulation/test_one_region_cryptography.py::test_a_region_without_hsms_describes_and_does_not_encrypt",
            ),
        ),
        54: (
            "A rotation of the domain key leaves every exported key token usable and every ciphertext readable",
            (
                "simulation/test_one_region_cryptography.py::test_domain_keys_rotate_and_every_blob_still_opens",
                "simulation/test_domain_keys.py::test_a_key_that_nobody_uses_for_a_year_can_still_be_used",
            ),
        ),
    }
)
"""Number -> the rule, and its tests (`file::test`, below tests/)."""


if __name__ == "__main__":
    sys.stdout.write(" ".join(f"tests/{test}" for number in sys.argv[1:] for test in RULES[int(number)][1]) + "\n")
