from __future__ import annotations

import pytest

from podman_llm.config.systemd import UnitEnvironment, take_unit_environment

_NOTHING = UnitEnvironment(None, None, ())


def test_without_a_unit_there_is_nothing() -> None:
    assert take_unit_environment(pid=7, environ={"HOME": "/x"}) == _NOTHING


def test_what_a_unit_passes_is_read() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "90000000",
        "WATCHDOG_PID": "7",
        "LISTEN_FDS": "2",
        "LISTEN_PID": "7",
        "LISTEN_FDNAMES": "proxy:other",
    }
    taken = take_unit_environment(pid=7, environ=environ)
    assert taken == UnitEnvironment("/run/notify", 90.0, ("proxy", "other"))


def test_no_child_sees_any_of_it() -> None:
    environ = {"NOTIFY_SOCKET": "/run/notify", "LISTEN_FDS": "1", "LISTEN_PID": "8", "PATH": "/bin"}
    take_unit_environment(pid=7, environ=environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environ",
    [
        {"LISTEN_FDS": "1", "LISTEN_PID": "8", "LISTEN_FDNAMES": "proxy"},
        {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "proxy"},
        {"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "8"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "soon"},
        {"LISTEN_FDS": "many", "LISTEN_PID": "7"},
        {"NOTIFY_SOCKET": ""},
    ],
)
def test_what_is_another_process_s_or_no_number_means_nothing(environ: dict[str, str]) -> None:
    assert take_unit_environment(pid=7, environ=environ) == _NOTHING


def test_a_watchdog_that_names_no_process_is_meant_for_this_one() -> None:
    assert (
        take_unit_environment(pid=7, environ={"WATCHDOG_USEC": "1500000"}).watchdog_seconds == 1.5
    )


def test_sockets_without_names_are_counted_all_the_same() -> None:
    environ = {"LISTEN_FDS": "2", "LISTEN_PID": "7"}
    assert take_unit_environment(pid=7, environ=environ).socket_names == ("", "")


def test_the_process_s_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    assert take_unit_environment(pid=7).notify_socket == "/run/notify"
    assert take_unit_environment(pid=7) == _NOTHING
