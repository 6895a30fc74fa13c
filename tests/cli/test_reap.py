from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from podman_llm.cli.context import Context, demo_paths
from podman_llm.cli.reap import reap
from podman_llm.core.pod import Phase
from podman_llm.errors import ConfigError, ProviderUnreachable, StillBilling
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.store import PodState, StateStore
from tests.pods.house import OWNER, House, ready_house

LATE = 6 * 3600.0


@pytest.fixture
def house() -> House:
    """A pod that serves, and nobody who looks after it."""
    return ready_house()


@pytest.fixture
def context(tmp_path: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> Context:
    context = Context(state_dir=tmp_path / "state", clock=house.clock)
    context.home().ensure()
    monkeypatch.setattr(Context, "provider", lambda *_: house.cloud)
    return context


@pytest.fixture
def own(context: Context) -> Context:
    """The state directory of the pod's owner, in which nothing was ever recorded."""
    context.home().owner.write_text(OWNER.model_dump_json())
    return context


def invoke(context: Context, *arguments: str) -> None:
    reap.main(list(arguments), obj=context, standalone_mode=False)


def test_a_second_host_needs_only_the_owners_id(
    context: Context, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.clock.advance(LATE)
    invoke(context, "--owner", OWNER.id)
    assert "[ended]" in capsys.readouterr().out
    assert house.cloud.live() == []


def test_without_an_owner_it_asks_whose_pods(context: Context) -> None:
    context.state_dir = None
    with pytest.raises(ConfigError, match=r"owner\.json"):
        invoke(context)


def test_a_timer_may_come_before_the_first_pod_but_not_after_a_lost_owner(
    context: Context, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.cloud.deaf = True  # nobody is asked
    invoke(context)
    assert "Nothing to end" in capsys.readouterr().out
    context.home().pod_state.write_text("{}")
    with pytest.raises(ConfigError, match=r"owner\.json"):
        invoke(context)


def test_a_demo_that_runs_does_not_hide_the_real_pods(own: Context, house: House) -> None:
    demo = demo_paths(own.home())
    demo.ensure()
    settings = house.settings.model_dump(mode="json", by_alias=True)
    save_desired(demo, Desired(generation=1, want="up", settings=settings, requested_at=0.0))
    house.clock.advance(LATE)
    invoke(own)
    assert house.cloud.live() == []


@pytest.mark.parametrize("owner", ["ABC234", "abc", "abc189", "pllm-abc234-"])
def test_an_owner_that_cannot_be_one_is_refused(context: Context, owner: str) -> None:
    with pytest.raises(click.BadParameter, match="six letters"):
        invoke(context, "--owner", owner)


def test_a_dry_run_touches_nothing(
    own: Context, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.clock.advance(LATE)
    invoke(own, "--dry-run")
    assert "pod1" in capsys.readouterr().out
    assert house.cloud.terminated == []


def test_nothing_to_do_is_said(own: Context, capsys: pytest.CaptureFixture[str]) -> None:
    invoke(own)
    assert "Nothing to end" in capsys.readouterr().out


def test_json_tells_the_fate_of_each(
    own: Context, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.clock.advance(LATE)
    invoke(own, "--json")
    (pod,) = json.loads(capsys.readouterr().out)["pods"]
    assert (pod["pod_id"], pod["fate"]) == ("pod1", "ended")


def test_what_may_still_bill_is_named_and_exits_7(own: Context, house: House) -> None:
    house.clock.advance(LATE)
    house.cloud.failing_deletes = 10_000
    with pytest.raises(StillBilling, match="pod1"):
        invoke(own)


def test_no_list_is_no_answer(own: Context, house: House) -> None:
    house.cloud.deaf = True
    with pytest.raises(ProviderUnreachable):
        invoke(own)


def test_the_guide_to_a_second_host_shows_commands_that_exist() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "second-host.md").read_text(encoding="utf-8")
    shown = re.findall(r"podman-llm reap (--owner \S+)", guide)
    assert len(shown) == 2  # cron, and GitHub Actions
    for line in shown:
        reap.make_context("reap", line.replace('"$PLLM_OWNER"', OWNER.id).split())


# Orphans ---------------------------------------------------------------------------------------


def test_beside_a_copied_owner_file_nothing_is_an_orphan(own: Context, house: House) -> None:
    invoke(own)
    assert house.cloud.live()


def save(own: Context, house: House, **changes: Any) -> None:
    """What is recorded, seen when the pod is old enough to be a stray."""
    house.clock.advance(200)
    record = house.record.__class__(**{**vars(house.record), **changes})
    StateStore(own.home(), own.clock).save(PodState(current=record))


def test_beside_the_records_a_pod_in_none_is_ended(own: Context, house: House) -> None:
    save(own, house, phase=Phase.CANCELLED)
    invoke(own)
    assert house.cloud.live() == []


def test_the_recorded_pod_lives_on(own: Context, house: House) -> None:
    save(own, house)
    invoke(own)
    assert house.cloud.live()


def test_another_owners_orphans_are_none_of_ours(own: Context, house: House) -> None:
    save(own, house, phase=Phase.CANCELLED)
    invoke(own, "--owner", "xyz234")
    assert house.cloud.live()


@pytest.mark.parametrize("adopt", ["", "pod1"])
def test_a_pod_that_is_being_adopted_is_no_orphan(own: Context, house: House, adopt: str) -> None:
    save(own, house, phase=Phase.CANCELLED)
    settings = house.settings.model_dump(mode="json", by_alias=True)
    wish = Desired(generation=9, want="up", settings=settings, requested_at=0.0, adopt=adopt)
    save_desired(own.home(), wish)
    invoke(own)
    assert bool(house.cloud.live()) is bool(adopt)


def test_damaged_records_tell_no_orphans_and_deadlines_still_count(
    own: Context, house: House
) -> None:
    own.home().pod_state.write_text("{")
    invoke(own)
    assert house.cloud.live()
    house.clock.advance(LATE)
    invoke(own)
    assert house.cloud.live() == []
