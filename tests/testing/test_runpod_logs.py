from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_faults import Destiny
from podman_llm.testing.runpod_logs import written
from podman_llm.testing.runpod_order import read_order
from podman_llm.testing.runpod_pod import Fate
from podman_llm.testing.runpod_world import World

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]


def read(api: Api, path: str, count: int, **headers: Any) -> list[tuple[str, dict[str, Any]]]:
    """The first ``count`` events of a stream that stays open."""
    with api("GET", path, stream=True, headers=headers) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        events = []
        for event_id, data, _ in itertools.islice(zip(lines, lines, lines, strict=False), count):
            events.append((event_id.removeprefix("id: "), json.loads(data.removeprefix("data: "))))
        return events


def lines_of(world: World, order: dict[str, Any], fate: Fate, seconds: float) -> list[str]:
    pod = world.rent(read_order(world, order), fate=fate)
    world.clock.advance(seconds)
    return [line.text for line in written(pod, world.settle())]


def test_the_host_speaks_first_then_the_boot_then_vllm(
    api: Api, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    events = read(api, f"/v2/pods/{pod['id']}/logs", 13)
    sources = [event["source"] for _, event in events]
    assert sources == ["system"] * 3 + ["container"] * 10
    assert events[3][1]["line"].startswith("PLLM-BOOT ok")
    assert "Using max model len 4096" in events[6][1]["line"]
    assert events[-1][1]["line"].endswith("Application startup complete.")


GUARDED = {
    "entrypoint": ["python3", "-c", "print('PLLM-GUARD')"],
    "env": {"PLLM_DEADLINE": "1795003600"},
}


@pytest.mark.parametrize(("refused", "key"), [(False, 200), (True, 403)])
def test_a_guard_in_the_entrypoint_reports_first(
    world: World, order: dict[str, Any], *, refused: bool, key: int
) -> None:
    world.quirks.pod_keys_refused = refused
    lines = lines_of(world, order | GUARDED, Fate.HEALTHY, 8.0)
    assert lines[3] == f"PLLM-GUARD armed deadline=1795003600 selfkey={key}"


def test_a_pod_that_runs_something_else_than_its_entrypoint_has_no_guard(
    world: World, order: dict[str, Any]
) -> None:
    lines = lines_of(world, order | GUARDED, Fate.UNGUARDED, 8.0)
    assert not any("PLLM-GUARD" in line for line in lines)
    assert any("startup complete" in line for line in lines)


def test_a_container_that_really_runs_speaks_for_itself(
    world: World, order: dict[str, Any]
) -> None:
    pod = world.rent(read_order(world, order))
    pod.output = []
    world.clock.advance(4.0)
    pod.output.append((world.settle(), "hello"))
    world.clock.advance(4.0)
    lines = [line.text for line in written(pod, world.settle())]
    assert lines[-1] == "hello"
    assert not any("vLLM" in line for line in lines)


def test_events_have_the_published_form(api: Api, rent: Rent) -> None:
    ((event_id, event),) = read(api, f"/v2/pods/{rent()['id']}/logs", 1)
    assert event_id == "2026-11-18T11:06:40Z/000000000000"
    assert event == {
        "ts": "2026-11-18T11:06:40Z",
        "source": "system",
        "line": "create pod network and container vllm/vllm-openai:v0.32.0",
    }


def test_source_and_tail_choose_the_backfill(api: Api, rent: Rent, clock: FakeClock) -> None:
    pod = rent()
    clock.advance(8.0)
    logs = f"/v2/pods/{pod['id']}/logs"
    assert [e["source"] for _, e in read(api, f"{logs}?source=container", 10)] == ["container"] * 10
    last = read(api, f"{logs}?tail=2", 2)
    assert last[-1][1]["line"].endswith("startup complete.")
    system = read(api, f"{logs}?source=system&tail=1", 1)
    assert system[0][1]["line"].startswith("start container")


def test_a_reader_resumes_after_the_last_event_it_saw(
    api: Api, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    logs = f"/v2/pods/{pod['id']}/logs"
    first = read(api, logs, 5)
    rest = read(api, f"{logs}?tail=0", 8, **{"Last-Event-ID": first[-1][0]})
    whole = read(api, logs, 13)
    assert first + rest == whole
    assert read(api, f"{logs}?since={whole[3][1]['ts']}", 1)[0] == whole[2]


def test_the_stream_stays_open_for_lines_to_come(api: Api, rent: Rent, clock: FakeClock) -> None:
    pod = rent()
    with api("GET", f"/v2/pods/{pod['id']}/logs?tail=0", stream=True) as answer:
        clock.advance(1.0)
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        assert next(lines).endswith("/000000000001")
        assert "pull vllm" in next(lines)


def test_the_stream_ends_with_the_pod(api: Api, rent: Rent) -> None:
    pod = rent()
    with api("GET", f"/v2/pods/{pod['id']}/logs", stream=True) as answer:
        assert api("DELETE", f"/v2/pods/{pod['id']}").status_code == 204
        assert b"create pod" in answer.content


@pytest.mark.parametrize("query", ["tail=5001", "tail=x", "source=daemon", "since=yesterday"])
def test_a_wrong_query_is_a_422(api: Api, rent: Rent, query: str) -> None:
    assert api("GET", f"/v2/pods/{rent()['id']}/logs?{query}").status_code == 422


def test_no_pod_has_no_logs(api: Api) -> None:
    assert api("GET", "/v2/pods/unknown/logs").status_code == 404


def test_a_crash_loop_says_why_each_time(world: World, order: dict[str, Any]) -> None:
    lines = lines_of(world, order, Fate.CRASH_LOOP, 3.0 + 41.0)
    assert sum("CUDA out of memory" in line for line in lines) == 2
    assert sum(line.startswith("PLLM-BOOT ok") for line in lines) == 3
    assert not any("startup complete" in line for line in lines)


def test_a_broken_host_says_why_in_the_hosts_own_lines(world: World, order: dict[str, Any]) -> None:
    lines = lines_of(world, order, Fate.BROKEN_HOST, 22.0)
    assert sum("unsatisfied condition: cuda>=" in line for line in lines) == 3


def test_a_killed_container_writes_no_more_and_begins_again(
    world: World, order: dict[str, Any], clock: FakeClock
) -> None:
    pod = world.rent(read_order(world, order))
    clock.advance(4.0)
    pod.restart_container(world.settle(), "killed")
    clock.advance(5.0)
    lines = [line.text for line in written(pod, world.settle())]
    assert sum(line.startswith("PLLM-BOOT ok") for line in lines) == 2
    assert sum("startup complete" in line for line in lines) == 1


def test_a_line_keeps_its_number(world: World, order: dict[str, Any], clock: FakeClock) -> None:
    pod = world.rent(read_order(world, order), fate=Destiny(fate=Fate.CRASH_LOOP).fate)
    seen: list[object] = []
    for _ in range(40):
        clock.advance(1.7)
        lines = written(pod, world.settle())
        assert lines[: len(seen)] == seen
        seen = list(lines)


def test_the_end_of_a_pod_is_in_its_log(
    world: World, order: dict[str, Any], clock: FakeClock
) -> None:
    pod = world.rent(read_order(world, order))
    clock.advance(3.0)
    world.act(pod, "stop")
    assert written(pod, world.settle())[-1].text.startswith("stop container")
    assert any("error creating" in line for line in lines_of(world, order, Fate.CONTAINER_ERROR, 9))
