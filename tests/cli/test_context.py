from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from podman_llm.cli.context import Context, demo_paths, is_up
from podman_llm.config.models import ProviderSettings, Settings
from podman_llm.errors import NotFound
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.double import Double, save_double
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith, save_report
from tests.samples import NOW


def want(paths: StatePaths, what: str) -> None:
    paths.ensure()
    desired = {"generation": 1, "want": what, "settings": {}, "requested_at": NOW}
    save_desired(paths, Desired.model_validate(desired))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(state_dir=tmp_path / "state")


def test_commands_find_the_demo_when_nothing_else_is_up(context: Context) -> None:
    assert context.paths() == context.home()
    want(demo_paths(context.home()), "up")
    assert context.paths() == demo_paths(context.home())


def test_a_real_pod_comes_before_the_demo(context: Context) -> None:
    want(demo_paths(context.home()), "up")
    want(context.home(), "up")
    assert context.paths() == context.home()


def test_demo_can_be_asked_for(context: Context) -> None:
    want(context.home(), "up")
    context.demo = True
    assert context.paths() == demo_paths(context.home())


def test_what_is_going_down_is_still_up_while_its_daemon_works(context: Context) -> None:
    want(context.home(), "down")
    assert not is_up(context.home())
    with ControllerLock(context.home()):
        assert is_up(context.home())


def test_a_daemon_that_rests_is_not_up(context: Context) -> None:
    want(context.home(), "down")
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="", url="", workers=())
    with ControllerLock(context.home()):
        save_report(context.home(), report)
        assert is_up(context.home())
        done = DoneWith(generation=1, want="down")
        save_report(context.home(), report.model_copy(update={"done_with": done}))
        assert not is_up(context.home())
        want(context.home(), "up")
        assert is_up(context.home())


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 9}'])
def test_a_wish_that_cannot_be_read_is_not_taken_for_none(context: Context, content: bytes) -> None:
    want(demo_paths(context.home()), "up")
    context.home().desired.write_bytes(content)
    assert context.paths() == context.home()


def test_the_settings_at_work_are_those_of_the_pod_while_it_is_wanted(context: Context) -> None:
    demo_home, home = demo_paths(context.home()), context.home()
    for paths, port in ((demo_home, 8111), (home, 8222)):
        settings = Settings(proxy_port=port).model_dump(mode="json", by_alias=True)
        paths.ensure()
        save_desired(paths, Desired(generation=1, want="up", settings=settings, requested_at=NOW))
    assert context.settings_at_work().proxy_port == 8222
    want(home, "down")
    assert context.settings_at_work().proxy_port == 8111
    want(demo_home, "down")
    assert context.settings_at_work().proxy_port == Settings().proxy_port


def test_a_demo_that_is_over_is_told_so_and_gets_no_real_key(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_real")
    context.demo = True
    with pytest.raises(NotFound, match="the demo is over") as caught:
        context.provider(Settings())
    assert "up --demo" in caught.value.hint
    paths, me = context.paths(), psutil.Process()
    paths.ensure()
    url = "http://127.0.0.1:9"
    save_double(paths, Double(url, 9, me.pid, me.create_time()))
    assert context.provider(Settings(provider=ProviderSettings(api_base=url))).name == "runpod"


def test_asking_creates_nothing(context: Context, tmp_path: Path) -> None:
    context.paths()
    assert not (tmp_path / "state").exists()
