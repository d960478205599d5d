"""Requests that nobody should send: AWS's own error, no change, nothing on stderr, and others are served meanwhile."""

import base64
import contextlib
import json
import resource
import signal
import socket
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import botocore.auth
import pytest

from tests.conformance import wire
from tests.conformance.abuse import WRONG, code_of, exchange, request, signed, stored
from tests.conformance.clients import client
from tests.conformance.test_serve_command import Served

MOST_BODY = 1_048_576


@pytest.fixture(
    scope="module",
    params=[pytest.param((), id="one"), pytest.param(("--processes", "2"), id="processes", marks=pytest.mark.slow)],
)
def server(tmp_path_factory, request):
    """A server of its own, that has a key, and must have nothing to say when it ends."""
    folder = tmp_path_factory.mktemp("abused")
    with few_files():
        served = Served("--regions", "us-east-1,eu-west-1", "--data", str(folder), *request.param)
    with served:
        served.folder, served.url = folder, served.ready["endpoint"]
        served.kms = client(served.url)
        served.key_id = served.kms.create_key(Description="as it was")["KeyMetadata"]["KeyId"]
        yield served
        assert served.end(signal.SIGTERM) == (0, "")


@contextlib.contextmanager
def few_files():
    """A process that starts now may open so many files as many systems allow, unless it asks for more."""
    allowed, at_most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, at_most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, at_most))


@pytest.fixture
def unchanged(server):
    """What the test sends changes nothing, and the server goes on."""
    before = stored(server.folder)
    yield
    assert server.kms.describe_key(KeyId=server.key_id)["KeyMetadata"]["Description"] == "as it was"
    assert stored(server.folder) == before


pytestmark = pytest.mark.usefixtures("unchanged")


def change(server):
    """The body of a request that would change something, and would be seen."""
    return json.dumps({"KeyId": server.key_id, "Description": "abused"}).encode()


def refused(server, sent, code, status=400):
    (answer,) = exchange(server.url, sent)
    assert (answer[0], code_of(answer)) == (status, code), answer
    assert wire.problems("UpdateKeyDescription", *answer) == []
    return json.loads(answer[2]).get("message", "")


def test_a_changed_body_under_a_good_signature(server):
    sent = signed(server.url, "UpdateKeyDescription", change(server))
    told = refused(server, sent.replace(b"abused", b"Abused"), "InvalidSignatureException")
    assert told.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"TrentService.UpdateKeyDescription", b"TrentService.DisableKey"),
        (b"POST / ", b"POST /x "),
        (b"POST / ", b"POST /?a=b "),
        (b"X-Amz-Date: 2", b"X-Amz-Date: 3"),
        (b"x-amz-json-1.1", b"x-amz-json-1.1; charset=utf-8"),
        (b"content-type;host;x-amz-date;x-amz-target", b"content-type;host;x-amz-date"),
        (b"content-type;host;x-amz-date;x-amz-target", b"content-type;x-amz-date;x-amz-target"),
        (b"Host: ", b"Host: evil.example:"),
    ],
)
def test_whatever_was_signed_cannot_be_changed(server, was, becomes):
    sent = signed(server.url, "UpdateKeyDescription", change(server))
    assert was in sent
    assert exchange(server.url, sent.replace(was, becomes, 1))[0][0] in (400, 403, 404)
    assert code_of(exchange(server.url, sent.replace(was, becomes, 1))[0]) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(-6, "Signature expired: "), (6, "Signature not yet current: "), (-1e6, "Signature expired: ")],
)
def test_a_signature_of_another_time(server, monkeypatch, minutes, told):
    then = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: then.replace(tzinfo=None))
    sent = signed(server.url, "UpdateKeyDescription", change(server))
    assert then.strftime("X-Amz-Date: %Y%m%dT%H%M").encode() in sent
    assert refused(server, sent, "InvalidSignatureException").startswith(told)


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"region": "sa-east-1"}, "InvalidSignatureException"),
        ({"region": "us-east-1/x"}, "InvalidSignatureException"),
        ({"service": "s3"}, "InvalidSignatureException"),
        ({"key": WRONG}, "InvalidSignatureException"),
        ({"key": ("nobody", "test")}, "UnrecognizedClientException"),
        ({"headers": {"X-Amz-Security-Token": "x"}}, "UnrecognizedClientException"),
    ],
)
def test_a_signature_for_or_by_somebody_else(server, signing, code):
    refused(server, signed(server.url, "UpdateKeyDescription", change(server), **signing), code)


def test_no_signature(server):
    headers = [("Content-Type", wire.CONTENT_TYPE), ("X-Amz-Target", "TrentService.UpdateKeyDescription")]
    told = refused(server, request(server.url, change(server), headers), "MissingAuthenticationTokenException")
    assert told == "Missing Authentication Token"


@pytest.mark.parametrize(
    "authorization",
    ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=", "Bearer x", "AWS4-HMAC-SHA256 " + "," * 5000, "\xff" * 50],
)
def test_a_signature_in_pieces(server, authorization):
    sent = signed(server.url, "UpdateKeyDescription", change(server)).split(b"Authorization: ")
    ending = sent[1].partition(b"\r\n")[2]
    torn = sent[0] + b"Authorization: " + authorization.encode("latin-1") + b"\r\n" + ending
    assert exchange(server.url, torn)[0][0] == 400


@pytest.mark.parametrize("operation", ["", "Nothing", "UpdateKeyDescription ", "updatekeydescription", "../Decrypt"])
def test_an_operation_that_is_not_there(server, operation):
    (answer,) = exchange(server.url, signed(server.url, operation, change(server)))
    assert (answer[0], code_of(answer)) == (400, "UnknownOperationException")


def test_no_operation_at_all(server):
    """A request is signed as well without a target: which headers are signed is the caller's choice."""
    body = change(server)
    asked = signed(server.url, "UpdateKeyDescription", body, headers={"X-Amz-Target": None})
    (answer,) = exchange(server.url, asked)
    assert (answer[0], code_of(answer)) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null1",
        b'"x"',
        b"\xff\xfe",
        b'{"KeyId": NaN}',
        b'{"KeyId": {"a": 1}}',
        b'{"KeyId": "x", "Description": 1e999}',
        b"[" * 100_000,
        b'{"KeyId": ' + b"9" * 5_000 + b"}",
        b'{"a":' * 50_000,
    ],
    ids=lambda body: str(body[:20]),
)
def test_a_body_that_is_not_what_it_should_be(server, body):
    told = refused(server, signed(server.url, "UpdateKeyDescription", body), "SerializationException")
    assert body[:20].decode("latin-1") not in told or not told


def padded(server, size):
    body = change(server)[:-1]
    return body + b', "Padding": "' + b"x" * (size - len(body) - 16) + b'"}'


def test_a_body_over_the_limit(server):
    sent = signed(server.url, "UpdateKeyDescription", padded(server, MOST_BODY + 1))
    refused(server, sent, "RequestEntityTooLargeException", 413)


def test_a_body_at_the_limit_is_read(server):
    body = padded(server, MOST_BODY).replace(b"abused", b"as it was")
    assert len(body) < MOST_BODY + 10
    assert exchange(server.url, signed(server.url, "UpdateKeyDescription", body[:MOST_BODY]))[0][0] in (200, 400)


def chunked(server, body, *, tail=b"0\r\n\r\n"):
    whole = signed(server.url, "ListKeys", body)
    head = whole[: whole.index(b"\r\n\r\n") + 4]
    length = f"Content-Length: {len(body)}".encode()
    assert length in head
    head = head.replace(length, b"Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + tail


def test_a_body_in_chunks(server):
    (answer,) = exchange(server.url, chunked(server, b'{"Limit": 1}'))
    assert answer[0] == 200
    assert exchange(server.url, chunked(server, b'{"Limit": 1}', tail=b"z\r\n\r\n"))[0][0] == 400
    big = exchange(server.url, chunked(server, b'{"x": "' + b"y" * MOST_BODY + b'"}'))
    assert [(status, json.loads(body)["__type"]) for status, _, body in big] == [
        (413, "RequestEntityTooLargeException")
    ]


def test_two_lengths_or_a_length_of_chunks_smuggle_nothing(server):
    whole = signed(server.url, "ListKeys", b"{}")
    inner = signed(server.url, "UpdateKeyDescription", change(server), key=WRONG)
    for doubled in (
        b"Content-Length: 2\r\nContent-Length: 3",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Content-Length: -2",
        b"Content-Length: 2x",
        b"Content-Length: 99999999999999999999999",
        b"Transfer-Encoding: gzip",
    ):
        sent = whole.replace(b"Content-Length: 2", doubled) + inner
        answers = exchange(server.url, sent, count=3, within_s=1.0)
        assert [status for status, *_ in answers] == [400], (doubled, answers)


@pytest.mark.parametrize(
    "doubled",
    [
        (b"X-Amz-Target: TrentService.DisableKey\r\n", b"X-Amz-Target"),
        (b"X-Amz-Date: 20200101T000000Z\r\n", b"X-Amz-Date"),
        (b"Host: evil.example\r\n", b"Host"),
        (b"Content-Type: text/plain\r\n", b"Content-Type"),
        (b"Authorization: x\r\n", b"Authorization"),
        (b"X-Amz-Security-Token: x\r\n", b"X-Amz-Target"),
    ],
    ids=lambda doubled: doubled[0].decode().strip(),
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_header_twice_is_not_what_was_signed(server, doubled, is_first):
    line, before = doubled
    sent = signed(server.url, "UpdateKeyDescription", change(server))
    at = sent.index(before + b": ") if is_first else sent.index(b"\r\n\r\n") + 2
    (answer,) = exchange(server.url, sent[:at] + line + sent[at:])
    assert answer[0] == 400


def test_requests_behind_each_other_are_answered_in_order(server):
    asked = [
        signed(server.url, "ListKeys", b"{}"),
        signed(server.url, "ListKeys", b"{}", key=WRONG),
        signed(server.url, "DescribeKey", json.dumps({"KeyId": server.key_id}).encode()),
        signed(server.url, "Nothing", b"{}"),
    ]
    answers = exchange(server.url, b"".join(asked), count=4)
    assert [status for status, *_ in answers] == [200, 400, 200, 400]
    assert json.loads(answers[2][2])["KeyMetadata"]["KeyId"] == server.key_id
    assert len({headers["x-amzn-requestid"] for _, headers, _ in answers}) == 4


# Others are served meanwhile.


def connections(server, count, sent=b""):
    where = urlsplit(server.url)
    found = []
    for _ in range(count):
        connection = socket.create_connection((where.hostname, where.port), timeout=10)
        connection.sendall(sent)
        found.append(connection)
    return found


def is_served(server):
    """Somebody else gets an answer, within the five seconds that the client waits."""
    return bool(client(server.url).list_keys()["Keys"])


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b"POST / HT"])
def test_a_thousand_connections_that_wait_stop_nobody(server, sent):
    held = connections(server, 1_000, sent)
    try:
        assert is_served(server)
    finally:
        for connection in held:
            connection.close()
    assert is_served(server)


@pytest.mark.slow
def test_slow_senders_stop_nobody_and_are_cut_off(server):
    began = time.monotonic()
    held = connections(server, 200, b"POST / HTTP/1.1\r\nHost: x\r\n")
    is_over = threading.Event()

    def dribble():
        while not is_over.wait(1.0):
            for connection in held:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")

    sender = threading.Thread(target=dribble)
    sender.start()
    try:
        assert is_served(server)
        for connection in held:
            connection.settimeout(40)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
        assert time.monotonic() - began < 35
        assert is_served(server)
    finally:
        is_over.set()
        sender.join()
        for connection in held:
            connection.close()


# Secrets.


def test_no_secret_is_told(server):
    secret = b"correct-horse-battery-staple"
    kms = client(server.url)
    made = kms.generate_data_key(KeyId=server.key_id, KeySpec="AES_256", EncryptionContext={"order": "4711"})
    kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"order": "4711"})
    kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=server.key_id, Plaintext=secret)["CiphertextBlob"])
    too_long = {"KeyId": server.key_id, "Plaintext": base64.b64encode(secret * 200).decode()}
    refused(server, signed(server.url, "Encrypt", json.dumps(too_long).encode()), "ValidationException")
    refused(server, signed(server.url, "Encrypt", b'{"Plaintext": ' + secret), "SerializationException")
    told = b"".join(
        asked(f"{server.ready['admin']}/{page}") for page in ("state", "events?limit=1000", "accounts", "metrics")
    )
    kept = b"".join(path.read_bytes() for path in sorted(server.folder.iterdir()))
    assert b"GenerateDataKey" in told
    assert b"GenerateDataKey" in kept
    for hidden in (*spellings(secret), *spellings(made["Plaintext"])):
        assert hidden not in told
        assert hidden not in kept  # what stderr held is looked at when the server ends


def asked(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def spellings(secret):
    return secret, base64.b64encode(secret), secret.hex().encode()
