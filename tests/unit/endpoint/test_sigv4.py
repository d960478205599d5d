"""Signatures: what botocore signs is verified, and nothing else is."""

import datetime
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from regionsim.endpoint import sigv4
from regionsim.endpoint.http import HttpRequest
from regionsim.endpoint.sigv4 import Verifier, read_signature
from regionsim.kms.errors import (
    IncompleteSignature,
    InvalidSignatureException,
    KmsError,
    MissingAuthenticationTokenException,
)

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TARGET = {"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"}


def now_s():
    return datetime.datetime.now(datetime.UTC).timestamp()


def signed(
    *, auth=SigV4Auth, method="POST", url="http://127.0.0.1:4599/", headers=None, body=b"{}", token=None, secret=SECRET
):
    request = AWSRequest(method=method, url=url, headers=TARGET if headers is None else headers, data=body)
    auth(Credentials("AKIAEXAMPLE", secret, token), "kms", "us-east-1").add_auth(request)
    prepared = request.prepare()
    split = urlsplit(prepared.url)
    sent = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()
    }
    sent.setdefault("host", split.netloc)
    return HttpRequest(method=method, path=split.path, query=split.query, headers=sent, body=prepared.body or b"")


def verify(request, *, secret=SECRET, at_s=None):
    signature = read_signature(request)
    Verifier(lambda: now_s() if at_s is None else at_s).verify(request, signature, secret)
    return signature


def test_what_botocore_signs_is_verified():
    signature = verify(signed())
    assert (signature.access_key_id, signature.region, signature.service) == ("AKIAEXAMPLE", "us-east-1", "kms")
    assert signature.expires_s is None


def test_a_presigned_query_is_verified():
    signature = verify(signed(auth=lambda *a: SigV4QueryAuth(*a, expires=60)))
    assert signature.expires_s == 60


@pytest.mark.parametrize("path", ["/a/b", "/a%20b", "/a/../b", "/x~y", "/%C3%BC"])
@pytest.mark.parametrize("query", ["", "b=2&a=1", "a=%20x&a=1", "Action=GetCallerIdentity&Version=2011-06-15", "a"])
def test_paths_and_queries_are_canonical_as_botocores(path, query):
    verify(signed(url=f"http://127.0.0.1:4599{path}" + (f"?{query}" if query else "")))


@given(st.binary(max_size=200), st.text(alphabet="abc XYZ~/+=%é", max_size=20))
def test_any_body_and_header_value(body, value):
    request = signed(body=body, headers={**TARGET, "X-Amz-Meta": value.encode("utf-8").hex() + "  a  b "})
    verify(request)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, body=b'{"KeyId":"x"}'),
        lambda r: replace(r, method="GET"),
        lambda r: replace(r, path="/other"),
        lambda r: replace(r, query="a=1"),
        lambda r: replace(r, headers={**r.headers, "x-amz-target": "TrentService.ScheduleKeyDeletion"}),
        lambda r: replace(r, headers={**r.headers, "host": "elsewhere"}),
        lambda r: replace(r, headers={**r.headers, "authorization": r.headers["authorization"][:-1] + "g"}),
        lambda r: replace(r, headers={**r.headers, "authorization": r.headers["authorization"].replace("kms", "sts")}),
    ],
)
def test_whatever_is_changed_behind_a_signature_breaks_it(change):
    with pytest.raises(InvalidSignatureException, match="does not match the signature you provided"):
        verify(change(signed()))


def test_another_secret_does_not_do():
    with pytest.raises(InvalidSignatureException):
        verify(signed(), secret="other")


def test_an_x_amz_header_that_is_not_signed_is_refused():
    request = signed(headers={"Content-Type": "application/x-amz-json-1.1"})
    request = replace(request, headers={**request.headers, "x-amz-target": "TrentService.ListKeys"})
    with pytest.raises(InvalidSignatureException, match="'x-amz-target' must be a 'SignedHeader'"):
        verify(request)


def test_the_host_must_be_signed():
    request = signed()
    authorization = request.headers["authorization"].replace(";host;", ";")
    with pytest.raises(InvalidSignatureException, match="'Host'"):
        verify(replace(request, headers={**request.headers, "authorization": authorization}))


@pytest.mark.parametrize(("off_s", "text"), [(301 + 1, "Signature expired"), (-301 - 1, "Signature not yet current")])
def test_a_date_more_than_five_minutes_off_is_refused(off_s, text):
    request = signed()
    with pytest.raises(InvalidSignatureException, match=text):
        verify(request, at_s=now_s() + off_s)
    verify(request, at_s=now_s() + (off_s - 5 if off_s > 0 else off_s + 5))


def test_a_presigned_query_expires_when_it_says():
    request = signed(auth=lambda *a: SigV4QueryAuth(*a, expires=60))
    verify(request, at_s=now_s() + 55)
    with pytest.raises(InvalidSignatureException, match="expired"):
        verify(request, at_s=now_s() + 65)


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        (None, MissingAuthenticationTokenException),
        ("", IncompleteSignature),
        ("Basic abc", IncompleteSignature),
        ("AWS4-HMAC-SHA256", IncompleteSignature),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request", IncompleteSignature),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", IncompleteSignature),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/x, SignedHeaders=host, Signature=0", KmsError),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request,SignedHeaders=host,Signature=0", KmsError),
    ],
)
def test_what_is_no_signature_is_refused(authorization, error):
    headers = {"host": "x", "x-amz-date": "20260102T000000Z"}
    if authorization is not None:
        headers["authorization"] = authorization
    request = HttpRequest(method="POST", path="/", query="", headers=headers, body=b"")
    with pytest.raises(error):
        verify(request)


@given(st.text(max_size=80), st.text(max_size=30))
def test_no_header_is_an_internal_error(authorization, date):
    headers = {"host": "x", "x-amz-date": date, "authorization": f"AWS4-HMAC-SHA256 {authorization}"}
    request = HttpRequest(method="POST", path="/", query="", headers=headers, body=b"")
    with pytest.raises(KmsError):
        verify(request)


PARTS = (
    "Credential=a/20260101/us-east-1/kms/aws4_request",
    "SignedHeaders=host;x-amz-date",
    "Signature=0a1b",
    "Signature=0a1b=",
    "Signature=",
    "X-Signature=0a1b",
    "SignedHeaders=",
    "Credential=a/20260102/us-east-1/kms/aws4_request",
    "junk",
)


@given(
    st.sampled_from(["AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512 ", ""]),
    st.permutations(PARTS[:3]) | st.lists(st.sampled_from(PARTS), max_size=5),
    st.lists(st.sampled_from(PARTS), max_size=1),
    st.sampled_from([", ", ",", " , ", " "]),
    st.sampled_from(["20260101T000000Z", "", "junk"]),
)
def test_what_is_kept_of_a_header_reads_as_the_header_itself(algorithm, parts, more, between, date):
    authorization = algorithm + between.join([*parts, *more])
    request = HttpRequest(
        method="POST", path="/", query="", headers={"x-amz-date": date, "authorization": authorization}, body=b""
    )
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):
            try:
                found.append(read_signature(request))
            except KmsError as refusal:
                found.append((type(refusal), refusal.message))
            patch.setattr(sigv4, "_usual_parts", lambda beginning: None)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "end",
    [
        "SignedHeaders=host;x-amz-date, Signature=0, XSignature=abc",
        "SignedHeaders=host;x-amz-date, Signature=0,Foo=Signature=abc",
        "Signature=0, SignedHeaders=host;x-amz-dateSignature=abc",
        "Signature=0, SignedHeaders=host;x-amz-date;Signature=abc",
    ],
)
def test_a_signature_is_a_parameter_of_its_own(end):
    headers = {
        "host": "x",
        "x-amz-date": "20260101T000000Z",
        "authorization": f"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request, {end}",
    }
    request = HttpRequest(method="POST", path="/", query="", headers=headers, body=b"")
    for _ in range(2):
        read = read_signature(request)
        assert read.value == "0"
        assert read.signed_headers == tuple(end.partition("SignedHeaders=")[2].partition(",")[0].lower().split(";"))


def test_a_usual_header_is_read_from_what_is_kept():
    sigv4._usual_parts.cache_clear()
    for _ in range(3):
        verify(signed())
    assert sigv4._usual_parts.cache_info().hits >= 1


def test_nothing_shows_a_secret():
    signature = read_signature(signed(token="TOKEN"))
    assert "TOKEN" not in repr(signature)
    assert signature.value not in repr(signature)
    assert SECRET not in repr(Verifier(now_s))
