from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core import naming
from podman_llm.core.naming import PodName
from tests.core.worlds import MARKS, NAME, OWNER


def test_a_name_carries_owner_model_and_deadline() -> None:
    name = naming.make(
        owner="abc234", model="Qwen/Qwen3-Coder-30B", token="a1b2c3d4e5f6", deadline=1795003600.9
    )
    assert name == "pllm-abc234-qwen3-coder-30-a1b2c3d4e5f6-x1795003600"
    assert naming.parse(name) == PodName("abc234", "qwen3-coder-30", "a1b2c3d4e5f6", 1795003600.0)


@given(model=st.text(max_size=80), deadline=st.floats(0, 9_999_999_999))
def test_every_model_gives_a_short_name_that_reads_back(model: str, deadline: float) -> None:
    name = naming.make(owner=OWNER, model=model, token="a" * 12, deadline=deadline)
    parsed = naming.parse(name)
    assert len(name) <= 51
    assert parsed
    assert (parsed.owner, parsed.token, parsed.deadline) == (OWNER, "a" * 12, float(int(deadline)))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "my-own-pod",
        "pllm-abc234-tiny-aaaaaaaaaaaa",
        "pllm-ABC234-tiny-aaaaaaaaaaaa-x1795003600",
        "pllm-abc23-tiny-aaaaaaaaaaaa-x1795003600",
        "pllm-abc234-tiny-aaaaaaaaaaa-x1795003600",
        "pllm-abc234-tiny-aaaaaaaaaaaa-x",
        "pllm-abc234--aaaaaaaaaaaa-x1795003600",
        "pllm-abc234-fifteen-letters-aaaaaaaaaaaa-x1795003600",
        "pllm-abc234-tiny-aaaaaaaaaaaa-x1795003600\n",
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    assert naming.parse(name) is None


@pytest.mark.parametrize(("owner", "token"), [("ABC", "a" * 12), ("abc234", "short")])
def test_a_name_that_no_sweep_would_find_is_not_made(owner: str, token: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        naming.make(owner=owner, model="tiny", token=token, deadline=1.0)


def test_a_pod_is_ours_only_by_name_and_by_mark() -> None:
    assert naming.is_marked(NAME, MARKS, OWNER)
    assert not naming.is_marked(NAME, {}, OWNER)
    assert not naming.is_marked(NAME, {**MARKS, naming.INTENT_MARK: "other"}, OWNER)
    assert not naming.is_marked(NAME, {**MARKS, naming.OWNER_MARK: "xyz234"}, OWNER)
    assert not naming.is_marked("copy", {**MARKS, naming.INTENT_MARK: "copy"}, OWNER)
    assert not naming.is_marked(NAME, MARKS, "xyz234")


def test_a_missing_mark_is_not_a_foreign_one() -> None:
    assert naming.is_foreign({naming.OWNER_MARK: "xyz234"}, OWNER)
    assert not naming.is_foreign({}, OWNER)
    assert not naming.is_foreign(MARKS, OWNER)
