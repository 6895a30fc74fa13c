from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podman_llm.cli.context import Context
from podman_llm.cli.up import _conclude, _flags, _idle_line, _is_in_force, _want
from podman_llm.cli.view import View, look
from podman_llm.config.models import Settings
from podman_llm.config.origins import Kind, Origin
from podman_llm.core.pod import Phase
from podman_llm.errors import PodmanLLMError, StillBilling, WaitExpired
from podman_llm.state.desired import Desired, load_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import EVIDENCE, NOW, a_record

NO_OPTIONS: dict[str, Any] = {
    "runtime": None, "idle": None, "wake": None, "gpu": (), "model": None, "max_price": None,
    "budget_day": None, "budget": None, "json_": False,
}  # fmt: skip
DESIRED = Desired(generation=1, want="up", settings={}, requested_at=NOW)
ENDED = a_record(Phase.DONE, evidence=EVIDENCE)
DAEMON = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="n", url="u", workers=())
RESTING = DAEMON.model_copy(
    update={"problem": "no such key", "done_with": DoneWith(generation=1, want="up")}
)


def view(**changes: Any) -> View:
    return replace(look(StatePaths(Path("/nowhere")), NOW), desired=DESIRED, **changes)


def test_only_flags_that_were_given_override() -> None:
    assert _flags(NO_OPTIONS) == {}
    given = NO_OPTIONS | {"runtime": 60.0, "idle": 0.0, "gpu": ("a", "b"), "max_price": 1.5}
    assert _flags(given) == {
        "runtime_seconds": 60.0,
        "pod.idle_seconds": None,
        "gpu_type_id": ("a", "b"),
        "pod.max_price_per_hour": 1.5,
    }
    assert _flags(NO_OPTIONS | {"budget_day": 5.0, "budget": 50.0}) == {
        "budget.max_usd_per_day": 5.0,
        "budget.max_usd_total": 50.0,
    }
    assert _flags(NO_OPTIONS | {"gpu": ("auto",)}) == {"gpu_type_id": "auto"}
    for wake in (True, False):
        assert _flags(NO_OPTIONS | {"wake": wake}) == {"routing.wake": wake}


def test_what_comes_after_idleness_is_said() -> None:
    assert "a request starts it again" in _idle_line(1800.0, wakes=True)
    assert "After 30m 00s without requests it is ended" in _idle_line(1800.0, wakes=False)


@pytest.mark.parametrize(
    ("seen", "in_force"),
    [
        (view(state=PodState(current=a_record())), True),
        (view(state=PodState(current=ENDED), daemon=DAEMON), False),
        (view(daemon=DAEMON), True),
        (view(daemon=RESTING), False),
        (view(), False),
        (view(problem="unreadable"), True),
    ],
)  # fmt: skip
def test_an_up_is_in_force_while_its_pod_is_open_or_unknown(seen: View, in_force: bool) -> None:
    assert _is_in_force(seen) is in_force


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(state_dir=tmp_path / "state", clock=FakeClock(NOW))


def test_each_up_is_a_generation_of_its_own(context: Context) -> None:
    settings = Settings(proxy_port=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("podman_llm.host.sockets.require_free", lambda *_, **__: None)
        assert _want(context, context.home(), settings, {}).generation == 1
        done = a_record(Phase.DONE, evidence=EVIDENCE)
        StateStore(context.home(), context.clock).save(PodState(current=done))
        assert _want(context, context.home(), settings, {}).generation == 2
    kept = load_desired(context.home())
    assert kept is not None
    assert Settings.model_validate(kept.settings) == settings


def test_an_up_in_force_is_followed_and_nothing_is_written(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("podman_llm.host.sockets.require_free", lambda *_, **__: None)
        first = _want(context, context.home(), Settings(), {})
    StateStore(context.home(), context.clock).save(PodState(current=a_record(generation=1)))
    before = context.home().desired.read_bytes()
    flag = {"runtime_seconds": Origin(Kind.FLAG)}
    assert _want(context, context.home(), Settings(runtime_seconds=60), flag) == first
    assert context.home().desired.read_bytes() == before
    told = capsys.readouterr().err
    assert "following" in told
    assert "not these: runtime_seconds. `podman-llm extend` moves its deadline." in told


def conclude(context: Context, seen: View, *, is_there: bool) -> None:
    _conclude(context, context.home(), Settings(), seen, NO_OPTIONS, is_there=is_there)


def test_a_failure_ends_with_its_own_words_and_code(context: Context) -> None:
    failure = Failure(generation=1, exit_code=5, message="no capacity", hint="", at=NOW)
    with pytest.raises(PodmanLLMError, match="no capacity") as ended:
        conclude(context, view(state=PodState(failure=failure)), is_there=True)
    assert ended.value.exit_code == 5


def test_a_wait_that_ran_out_names_the_pod_that_goes_on(context: Context) -> None:
    booting = view(state=PodState(current=a_record(Phase.BOOTING)), daemon=DAEMON)
    with pytest.raises(WaitExpired, match="pod123"):
        conclude(context, booting, is_there=False)


def test_a_daemon_that_vanished_over_a_billing_pod_is_no_ordinary_failure(
    context: Context,
) -> None:
    with pytest.raises(StillBilling):
        conclude(context, view(state=PodState(current=a_record())), is_there=False)


def test_what_a_person_must_mend_is_the_answer_of_a_daemon_that_rests(context: Context) -> None:
    with pytest.raises(PodmanLLMError, match="no such key") as ended:
        conclude(context, view(daemon=RESTING), is_there=False)
    assert not isinstance(ended.value, WaitExpired)


def test_ready_shows_how_to_connect(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    conclude(context, view(state=PodState(current=a_record()), daemon=DAEMON), is_there=True)
    out = capsys.readouterr().out
    assert "READY after 0s: pod pod123 on 1 x L4, $0.44/h, ends in 1h 00m" in out
    assert "Base URL" in out
