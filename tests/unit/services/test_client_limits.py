"""Each client may ask so many questions at once, and so many a minute; the table of clients stays small."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.api.models.client_limits import ClientLimits, client_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(limits: ClientLimits, client: str) -> tuple[str, str]:
    with pytest.raises(HTTPException) as refused:
        limits.enter(client)
    assert refused.value.status_code == 429
    return refused.value.detail, dict(refused.value.headers or {})["Retry-After"]


def test_a_question_more_than_are_allowed_at_once_is_refused_until_one_ends() -> None:
    limits = ClientLimits(at_once=2, per_minute=10)
    leave = limits.enter("a")
    limits.enter("a")
    assert refusal(limits, "a") == ("you wait for 2 answers already: ask again when one is there", "1")
    limits.enter("b")
    leave()
    limits.enter("a")


def test_a_question_more_than_are_allowed_a_minute_is_refused_until_the_first_is_a_minute_old() -> None:
    clock = Clock()
    limits = ClientLimits(at_once=9, per_minute=2, clock=clock)
    limits.enter("a")()
    clock.now += 20
    limits.enter("a")()
    assert refusal(limits, "a") == ("you have asked 2 times within a minute: wait 40 s", "40")
    limits.enter("b")()
    clock.now += 40
    limits.enter("a")()


def test_the_table_forgets_whoever_asked_longest_ago_and_waits_for_nothing() -> None:
    limits = ClientLimits(at_once=1, per_minute=1)
    limits.enter("waits")
    limits.enter("gone")()
    for number in range(3000):
        limits.enter(f"client {number}")()
    assert len(limits) <= 1025
    refusal(limits, "waits")
    limits.enter("gone")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("93.184.216.34", [], "93.184.216.34"),
        ("93.184.216.34", ["10.9.9.9"], "93.184.216.34"),  # anybody may write that
        ("127.0.0.1", [], "127.0.0.1"),
        ("172.18.0.5", ["93.184.216.34"], "93.184.216.34"),  # the viewer's nginx
        ("172.18.0.5", ["10.9.9.9, 93.184.216.34"], "93.184.216.34"),
        ("172.18.0.5", ["10.9.9.9", "93.184.216.34"], "93.184.216.34"),
    ],
)
def test_a_client_is_its_address_or_what_a_proxy_of_the_same_network_says(
    peer: str, forwarded: list[str], client: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_of(Request({"type": "http", "headers": headers, "client": (peer, 5)})) == client
