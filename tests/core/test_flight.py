from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.cachekey import CacheKey
from podman_llm.core.flight import ALONE, Ticket, retry_ticket, shared_ticket

SHARED = shared_ticket(CacheKey("d1"), way="auto m@1", wants_usage=False, session="", max_age=None)
RETRY = retry_ticket(b"{}", target="/v1/completions", tenant="me")
KILO = shared_ticket(
    CacheKey("d1", "10:00"), way="auto m@1", wants_usage=False, session="a", max_age=None
)


@pytest.mark.parametrize(
    ("ticket", "leader", "is_deserted", "boards"),
    [
        (SHARED, SHARED, False, True),
        (SHARED, SHARED, True, True),
        (SHARED, replace(SHARED, flight="d2"), False, False),
        (
            SHARED,
            shared_ticket(
                CacheKey("d1"), way="auto m@1", wants_usage=True, session="", max_age=None
            ),
            False,
            False,
        ),
        (
            SHARED,
            shared_ticket(
                CacheKey("d1"), way="pod m@1", wants_usage=False, session="", max_age=None
            ),
            False,
            False,
        ),
        (RETRY, RETRY, True, True),
        (RETRY, RETRY, False, False),
        (ALONE, ALONE, True, False),
        (KILO, KILO, False, True),
        (KILO, replace(KILO, asked_at="10:05"), True, False),
        (KILO, replace(KILO, session="b", asked_at="10:05"), False, True),
        (KILO, SHARED, False, True),
    ],
)
def test_who_may_board_whose_call(
    ticket: Ticket, leader: Ticket, is_deserted: bool, boards: bool
) -> None:
    assert ticket.may_board(leader, age=1.0, is_deserted=is_deserted) is bool(boards)


@pytest.mark.parametrize(("max_age", "boards"), [(0, False), (1, False), (2, True), (None, True)])
def test_a_call_older_than_the_answer_may_be_is_not_boarded(
    max_age: float | None, boards: bool
) -> None:
    ticket = replace(SHARED, max_age=max_age)
    assert ticket.may_board(SHARED, age=1.0, is_deserted=True) is boards


@pytest.mark.parametrize(
    "other",
    [
        retry_ticket(b"{ }", target="/v1/completions", tenant="me"),
        retry_ticket(b"{}", target="/v1/completions?a=b", tenant="me"),
        retry_ticket(b"{}", target="/v1/completions", tenant="you"),
    ],
)
def test_only_the_same_bytes_to_the_same_place_by_the_same_tenant_are_a_retry(
    other: Ticket,
) -> None:
    assert RETRY.flight != other.flight
