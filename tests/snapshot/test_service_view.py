"""Rows of services' resources: what is on top, what is left out where there is no room, what is told of one."""

from __future__ import annotations

from dataclasses import replace

from regionsim.snapshot import Glance
from tui.picture import KeyRow, Picture, ServiceRow
from tui.service_view import about_rows, service_row, services_head, uses_rows, world_services
from tui.view import ASCII, in_order, region_row, text_of

SECOND = 1_000_000_000
WELL = ServiceRow(
    service="s3", name="reports", region="us-east-1", state="ok", key="$key", key_id="k", because="", since_ns=SECOND
)
OUT = replace(WELL, name="orders", state="KMS.DisabledException", because="DisabledException", since_ns=60 * SECOND)
LATER = replace(OUT, service="sqs", name="jobs", state="KmsDisabled", since_ns=90 * SECOND)
ELSEWHERE = replace(WELL, region="eu-west-1")
KEY = KeyRow(
    name="$key", key_id="k", region="us-east-1", role="single", state="Disabled", rotations=0, rotates_at_ns=None,
    is_rotating=False, where=("us-east-1",),
)  # fmt: skip


def picture(*services: ServiceRow) -> Picture:
    return Picture(
        title="t", seed=1, at_ns=100 * SECOND, end_ns=200 * SECOND, rate=1.0, is_over=False,
        glance=Glance(at_ns=0, regions={}, cut_links=frozenset(), faults={}), activity={}, slice_ns=SECOND,
        latency_ns={}, links_ns={}, notables=(), caption="", event_count=0, denied=0, key_region="us-east-1",
        key_offset=0, keys=(), key_count=0, services=services,
    )  # fmt: skip


def test_what_is_out_is_on_top_and_the_newest_of_it_first() -> None:
    assert in_order([WELL, OUT, LATER, ELSEWHERE]) == [LATER, OUT, WELL, ELSEWHERE]


def test_a_region_tells_how_many_are_out_and_the_newest() -> None:
    told = picture(WELL, OUT, LATER, ELSEWHERE)
    assert text_of([region_row(told, "us-east-1", ASCII)]) == ["! 2 of 3 out sqs jobs: KmsDisabled"]
    assert text_of([region_row(told, "eu-west-1", ASCII)]) == ["services . 1 served"]
    assert region_row(told, "ap-southeast-2", ASCII) == []


def test_the_world_names_as_many_as_there_is_room_for() -> None:
    told = picture(WELL, OUT, LATER, ELSEWHERE)
    assert text_of(world_services(told, 2, ASCII)) == [
        "   services (S)      ! 2 of 4 out",
        "   ! us-east-1      sqs jobs: KmsDisabled",
    ]
    assert len(world_services(told, 9, ASCII)) == 3
    assert world_services(told, 1, ASCII) == world_services(picture(), 9, ASCII) == []


def test_a_key_is_used_by_what_is_in_its_region() -> None:
    told = picture(WELL, OUT, LATER, ELSEWHERE, replace(WELL, key_id="other"))
    lines = text_of(uses_rows(told, KEY, 6, ASCII))
    assert lines[1:] == [
        " ! sqs jobs: KmsDisabled  since 0d 00:01:30.000",
        " ! s3 orders: KMS.DisabledException  since 0d 00:01:00.000",
        " . s3 reports: ok  since 0d 00:00:01.000",
    ]
    assert text_of(uses_rows(told, KEY, 3, ASCII))[2] == "   and 2 more: S"
    assert "no service" in text_of(uses_rows(picture(), KEY, 6, ASCII))[1]
    assert "no service" in text_of(uses_rows(told, None, 6, ASCII))[1]


def test_one_resource_is_told_in_full() -> None:
    assert text_of(about_rows(OUT, 100 * SECOND)) == [
        " s3 orders in us-east-1: KMS.DisabledException",
        " for 40s: DisabledException, key $key",
    ]
    assert text_of(about_rows(WELL, 0))[1] == " since 0d 00:00:01.000, under the key $key"
    assert text_of(about_rows(replace(WELL, key=""), 0))[1].endswith("without a key so far")
    assert text_of(about_rows(None, 0)) == ["no service has asked KMS for anything"]


def test_columns_stand_under_their_names() -> None:
    for width in (80, 120):
        head, row = text_of([services_head(width), service_row(OUT, width, ASCII)])
        for name, value in (("service", "s3"), ("resource", "orders"), ("Region", "us-east-1"), ("state", OUT.state)):
            assert head.index(name) == row.index(value)
    assert head.index("KMS says") == row.index(" DisabledException") + 1
