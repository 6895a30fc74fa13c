from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from podman_llm.supervisor.lifeline import Lifeline


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    made = Lifeline()
    yield made
    made.close()


def test_signs_are_told_once_however_many_there_were(lifeline: Lifeline) -> None:
    assert not lifeline.has_beaten()
    os.write(lifeline.descriptor, b"." * 10_000)
    assert lifeline.has_beaten()
    assert not lifeline.has_beaten()


def test_the_last_sign_of_a_child_that_ended_counts_and_its_end_does_not(
    lifeline: Lifeline,
) -> None:
    os.write(lifeline.descriptor, b".")
    lifeline.hand_over()  # as if the child had it, and had ended
    assert lifeline.has_beaten()
    assert not lifeline.has_beaten()


def test_it_ends_for_the_child_when_we_let_go(lifeline: Lifeline) -> None:
    childs = os.dup(lifeline.descriptor)
    lifeline.hand_over()
    assert select.select([childs], [], [], 0)[0] == []
    lifeline.close()
    assert os.read(childs, 1) == b""
    os.close(childs)


def test_no_child_inherits_either_end_unasked(lifeline: Lifeline) -> None:
    assert not os.get_inheritable(lifeline.descriptor)
    assert not lifeline._ours.get_inheritable()
