"""The directory: who is who, which policies they have, and updates.

Source: ours; which principals exist: KMS API Reference, PutKeyPolicy.
"""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, Role, User
from regionsim.accounts.service_roles import MULTI_REGION_ROLE
from regionsim.authorization.compile import compile_policy
from regionsim.authorization.context import Context, principal_values
from regionsim.authorization.decide import Code, Policies, Request, ResourceKind, decide
from regionsim.authorization.policy import Policy, PolicyKind, parse_policy
from regionsim.authorization.principals import PrincipalKind
from regionsim.names.mistakes import ConfigError

HOME = "111122223333"
AWAY = "444455556666"


def policy(action: str = "kms:*", kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": statement}, kind=kind)


def named(name: str = "p", action: str = "kms:*", kind: PolicyKind = PolicyKind.IDENTITY) -> NamedPolicy:
    return NamedPolicy(name=name, policy=policy(action, kind))


@pytest.fixture
def directory() -> Directory:
    home = Account(
        account_id=HOME,
        users={
            "alice": User(name="alice", path="/team/", policies=(named("all"),), tags={"Team": "pay"}),
            "mallory": User(name="mallory", boundary=named("edge", "s3:*", PolicyKind.BOUNDARY)),
        },
        roles={
            "app": Role(
                name="app", path="/svc/", policies=(named("use", "kms:Decrypt"),), tags={"Team": "app", "Env": "x"}
            )
        },
        scps=((named("root", "*", PolicyKind.SCP),), (named("unit", "kms:*", PolicyKind.SCP),)),
    )
    return Directory(accounts={HOME: home, AWAY: Account(account_id=AWAY, users={"bob": User(name="bob")})})


class TestPrincipal:
    """`alice`, `role/app`, `root`, `service/s3`; `111122223333/alice`; or a full ARN. They must exist."""

    @pytest.mark.parametrize("spelling", ["alice", f"{HOME}/alice", f"arn:aws:iam::{HOME}:user/team/alice"])
    def test_user(self, directory, spelling):
        alice = directory.principal(HOME, spelling)
        assert (alice.kind, alice.arn, alice.account) == (
            PrincipalKind.USER,
            f"arn:aws:iam::{HOME}:user/team/alice",
            HOME,
        )
        assert alice.user_id.startswith("AIDA")
        assert len(alice.user_id) == 21
        assert dict(alice.tags) == {"Team": "pay"}

    @pytest.mark.parametrize("spelling", ["role/app", f"{HOME}/role/app", f"arn:aws:iam::{HOME}:role/svc/app"])
    def test_role_as_a_ready_session(self, directory, spelling):
        session = directory.principal(HOME, spelling)
        assert session.kind is PrincipalKind.ROLE_SESSION
        assert session.arn == f"arn:aws:sts::{HOME}:assumed-role/app/regionsim"
        assert (session.role_arn, session.session_name) == (f"arn:aws:iam::{HOME}:role/svc/app", "regionsim")
        assert session.user_id.startswith("AROA")
        assert session.user_id.endswith(":regionsim")

    def test_root(self, directory):
        for spelling in ("root", f"arn:aws:iam::{HOME}:root"):
            root = directory.principal(HOME, spelling)
            assert (root.kind, root.arn, root.user_id) == (PrincipalKind.ROOT, f"arn:aws:iam::{HOME}:root", HOME)

    def test_service(self, directory):
        for spelling in ("service/s3", "service/s3.amazonaws.com"):
            service = directory.principal(HOME, spelling)
            assert (service.kind, service.arn, service.account) == (PrincipalKind.SERVICE, "s3.amazonaws.com", "")

    def test_sessions_by_arn(self, directory):
        session = directory.principal(HOME, f"arn:aws:sts::{HOME}:assumed-role/app/night")
        assert (session.session_name, session.name) == ("night", "app")
        federated = directory.principal(HOME, f"arn:aws:sts::{HOME}:federated-user/guest")
        assert (federated.kind, federated.user_id) == (PrincipalKind.FEDERATED_USER, f"{HOME}:guest")
        assert directory.identity_policies(federated) == ()

    def test_a_sessions_tags_go_before_the_roles(self, directory):
        session = directory.session(HOME, "app", "s", tags={"Team": "own"})
        assert dict(session.tags) == {"Team": "own", "Env": "x"}

    def test_partition(self, directory):
        assert directory.principal(HOME, "alice", partition="aws-cn").arn.startswith("arn:aws-cn:iam:")
        assert directory.principal(HOME, f"arn:aws-cn:iam::{HOME}:root").arn == f"arn:aws-cn:iam::{HOME}:root"

    @pytest.mark.parametrize(
        ("account", "spelling", "words"),
        [
            (HOME, "alcie", "did you mean 'alice'?"),
            (HOME, "role/ap", "did you mean 'role/app'?"),
            (HOME, "Alice", "did you mean 'alice'?"),
            (HOME, "", "valid: alice, mallory, role/app, root"),
            (AWAY, "alice", "no such principal: 'alice'"),
            ("111122223334", "alice", "did you mean '111122223333'?"),
            (HOME, f"{AWAY}/alice", "no such principal: 'alice'"),
            (HOME, f"arn:aws:iam::{HOME}:user/alice", f"did you mean 'arn:aws:iam::{HOME}:user/team/alice'?"),
            (HOME, "arn:nonsense", "no such principal"),
            (HOME, "service/S3!", "no such service"),
            (HOME, "service/", "no such principal"),
        ],
    )
    def test_unknown_ones_get_advice(self, directory, account, spelling, words):
        with pytest.raises(ConfigError) as caught:
            directory.principal(account, spelling)
        assert words in str(caught.value)

    def test_spellings(self, directory):
        assert directory.principal_spellings(HOME) == ["alice", "mallory", "role/app", "root"]
        assert directory.principal_spellings("999999999999") == ["root"]

    def test_ids_are_the_same_in_every_run_and_differ_between_identities(self, directory):
        assert directory.principal(HOME, "alice").user_id == "AIDARUR7OIDXVGE7RB53E"
        ids = {
            directory.principal(account, name).user_id
            for account, name in ((HOME, "alice"), (HOME, "mallory"), (AWAY, "bob"))
        }
        assert len(ids) == 3


@pytest.mark.parametrize(
    ("text", "exists"),
    [
        ("*", True),
        (HOME, True),
        ("999999999999", False),
        (f"arn:aws:iam::{HOME}:root", True),
        ("arn:aws:iam::999999999999:root", False),
        (f"arn:aws-cn:iam::{HOME}:root", True),
        (f"arn:moon:iam::{HOME}:root", False),
        (f"arn:aws:iam::{HOME}:user/team/alice", True),
        (f"arn:aws:iam::{HOME}:user/alice", False),
        (f"arn:aws:iam::{HOME}:user/team/Alice", False),
        (f"arn:aws:iam::{AWAY}:user/team/alice", False),
        (f"arn:aws:iam::{HOME}:role/svc/app", True),
        (f"arn:aws:iam::{HOME}:role/app", False),
        (f"arn:aws:iam::{HOME}:role/gone", False),
        (f"arn:aws:sts::{HOME}:assumed-role/app/anything", True),
        (f"arn:aws:sts::{HOME}:assumed-role/gone/anything", False),
        (f"arn:aws:sts::{HOME}:federated-user/guest", True),
        (f"arn:aws:iam::{HOME}:group/admins", False),
        ("AIDAABCDEFGHIJKLMNOPQ", False),
        ("s3.amazonaws.com", True),
        ("s3.amazonaws.com.cn", True),
        ("s3.example.com", False),
        ("alice", False),
    ],
)
def test_which_principals_exist(directory, text, exists):
    """Users, roles, sessions of existing roles, accounts; services by form."""
    assert directory.has_principal(text) is exists


class TestServiceLinkedRole:
    """KMS's multi-Region service-linked role exists in every account."""

    ARN = f"arn:aws:iam::{AWAY}:role/aws-service-role/mrk.kms.amazonaws.com/{MULTI_REGION_ROLE}"

    def test_is_there(self, directory):
        assert directory.has_principal(self.ARN)
        session = directory.principal(AWAY, f"role/{MULTI_REGION_ROLE}")
        assert (session.role_arn, session.is_service_linked) == (self.ARN, True)

    def test_may_synchronize_where_the_key_policy_delegates_and_nothing_else(self, directory):
        session = directory.principal(AWAY, f"role/{MULTI_REGION_ROLE}")
        statement = {"Effect": "Allow", "Principal": {"AWS": AWAY}, "Action": "kms:*", "Resource": "*"}
        key_policy = compile_policy({"Statement": statement}, name="key", kind=PolicyKind.KEY)

        def code(action: str) -> Code:
            arn = f"arn:aws:kms:us-east-1:{AWAY}:key/1"
            asked = Request(
                principal=session,
                action=action,
                resource=arn,
                resource_account=AWAY,
                kind=ResourceKind.KEY,
                region="us-east-1",
                context=Context(principal_values(session)),
            )
            return decide(asked, Policies(key_policy=key_policy, identity=directory.identity_policies(session))).code

        assert code("kms:SynchronizeMultiRegionKey") is Code.ALLOW_IAM_DELEGATED
        assert code("kms:Decrypt") is Code.DELEGATED_BUT_NO_IAM_ALLOW

    def test_is_not_put_twice(self, directory):
        again = Directory(accounts=directory.accounts)
        assert again == directory


class TestPolicies:
    def test_are_those_of_the_identity_and_compiled_once(self, directory):
        alice = directory.principal(HOME, "alice")
        (compiled,) = directory.identity_policies(alice)
        assert (compiled.name, compiled.kind) == ("all", PolicyKind.IDENTITY)
        assert directory.identity_policies(alice)[0] is compiled
        assert [policy.name for policy in directory.identity_policies(directory.principal(HOME, "role/app"))] == ["use"]

    def test_root_services_and_strangers_have_none(self, directory):
        stranger = Directory(
            accounts={"999999999999": Account(account_id="999999999999", users={"eve": User(name="eve")})}
        )
        callers = [directory.principal(HOME, spelling) for spelling in ("root", "service/s3", "mallory")]
        for caller in [*callers, stranger.principal("999999999999", "eve")]:
            assert directory.identity_policies(caller) == ()

    def test_boundary(self, directory):
        (boundary,) = directory.boundary_policies(directory.principal(HOME, "mallory"))
        assert (boundary.name, boundary.kind) == ("edge", PolicyKind.BOUNDARY)
        assert directory.boundary_policies(directory.principal(HOME, "alice")) == ()
        assert directory.boundary_policies(directory.principal(HOME, "root")) == ()

    def test_service_control_policies_by_level(self, directory):
        levels = directory.service_control_policies(directory.principal(HOME, "alice"))
        assert [[policy.name for policy in level] for level in levels] == [["root"], ["unit"]]
        assert directory.service_control_policies(directory.principal(AWAY, "bob")) == ()
        assert directory.service_control_policies(directory.principal(HOME, "service/s3")) == ()


class TestUpdates:
    """A directory never changes; each Region follows when IAM's word reaches it."""

    def names(self, directory, spelling="alice"):
        return [policy.name for policy in directory.identity_policies(directory.principal(HOME, spelling))]

    def test_putting_a_user_policy(self, directory):
        assert self.names(directory) == ["all"]
        later = directory.with_user_policy(HOME, "alice", "more", policy("kms:Sign"))
        assert (self.names(directory), self.names(later)) == (["all"], ["all", "more"])
        assert (directory.version, later.version) == (0, 1)
        assert later != directory

    def test_putting_replaces_the_policy_of_that_name(self, directory):
        later = directory.with_user_policy(HOME, "alice", "all", policy("kms:Sign"))
        (compiled,) = later.identity_policies(later.principal(HOME, "alice"))
        assert compiled.policy == policy("kms:Sign")

    def test_deleting_a_user_policy(self, directory):
        assert self.names(directory.without_user_policy(HOME, "alice", "all")) == []
        with pytest.raises(ConfigError, match=r"user 'alice' has no policy 'al'; did you mean 'all'\?"):
            directory.without_user_policy(HOME, "alice", "al")

    def test_role_policies(self, directory):
        later = directory.with_role_policy(HOME, "app", "more", policy())
        assert self.names(later, "role/app") == ["use", "more"]
        assert self.names(later.without_role_policy(HOME, "app", "use"), "role/app") == ["more"]
        with pytest.raises(ConfigError, match="role 'app' has no policy 'x'; valid: use"):
            directory.without_role_policy(HOME, "app", "x")

    def test_a_new_account(self, directory):
        later = directory.with_account(Account(account_id="777788889999"))
        assert later.has_principal("777788889999")
        assert later.has_principal(
            f"arn:aws:iam::777788889999:role/aws-service-role/mrk.kms.amazonaws.com/{MULTI_REGION_ROLE}"
        )
        assert not directory.has_principal("777788889999")

    def test_other_accounts_keep_what_was_compiled(self, directory):
        before = directory.service_control_policies(directory.principal(HOME, "alice"))
        later = directory.with_user_policy(AWAY, "bob", "p", policy())
        after = later.service_control_policies(later.principal(HOME, "alice"))
        assert after[0][0] is before[0][0]

    @pytest.mark.parametrize(
        "update",
        [
            lambda directory: directory.with_user_policy("123", "alice", "p", policy()),
            lambda directory: directory.with_user_policy(HOME, "alcie", "p", policy()),
            lambda directory: directory.with_role_policy(HOME, "ap", "p", policy()),
            lambda directory: directory.session(HOME, "ap", "s"),
        ],
    )
    def test_unknown_names_are_refused(self, directory, update):
        with pytest.raises(ConfigError, match=r"no such (account|user|role)"):
            update(directory)


def test_what_binds_a_caller_is_looked_up_once_for_each_directory_and_principal(directory):
    alice, mallory = directory.principal(HOME, "alice"), directory.principal(HOME, "mallory")
    policies = directory.policies_of(alice)
    assert policies is directory.policies_of(alice)
    assert policies == Policies(
        identity=directory.identity_policies(alice),
        boundary=(),
        session=(),
        scps=directory.service_control_policies(alice),
    )
    assert [one.name for one in directory.policies_of(mallory).boundary] == ["edge"]
    later = directory.with_user_policy(HOME, "alice", "more", policy("kms:Sign"))
    assert [one.name for one in later.policies_of(alice).identity] == ["all", "more"]
    assert [one.name for one in directory.policies_of(alice).identity] == ["all"]


def test_an_account_id_has_twelve_digits():
    with pytest.raises(ConfigError, match="no account id"):
        Directory(accounts={"12": Account(account_id="12")})


def test_a_directory_is_frozen_and_comparable_by_version(directory):
    with pytest.raises(dataclasses.FrozenInstanceError):
        directory.version = 5
    with pytest.raises(TypeError):
        directory.accounts[AWAY] = None
    assert hash(directory) == hash(Directory(accounts=directory.accounts))


def test_accounts_travel_to_other_processes(directory):
    assert pickle.loads(pickle.dumps(dict(directory.accounts))) == dict(directory.accounts)
