from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podman_llm.cache.base import Entry
from podman_llm.cache.disk import open_disk_cache
from podman_llm.cli.context import demo_paths
from podman_llm.cli.main import cli
from podman_llm.config.models import Settings
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "answers"
    monkeypatch.setenv("CACHE_DIR", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


def test_stats_tell_where_and_how_much(directory: Path) -> None:
    result = CliRunner().invoke(cli, ["cache", "stats", "--json"], catch_exceptions=False)
    shown = json.loads(result.output)
    assert shown["cache_dir"] == str(directory)
    assert shown["entries"] == 0
    assert shown["max_entries"] == 10000


def test_in_the_demo_they_are_the_demo_s(directory: Path, tmp_path: Path) -> None:
    paths = demo_paths(StatePaths(tmp_path / "state"))
    paths.ensure()
    settings = Settings(cache_dir=paths.root / "cache").model_dump(mode="json", by_alias=True)
    save_desired(paths, Desired(generation=1, want="up", settings=settings, requested_at=0))
    arguments = ["--state-dir", str(tmp_path / "state"), "cache", "stats", "--json"]
    shown = json.loads(CliRunner().invoke(cli, arguments, catch_exceptions=False).output)
    assert shown["cache_dir"] == str(paths.root / "cache")


DAY = 86_400.0


def _keep(directory: Path) -> None:
    """Answers of two models, one, three and ten days old."""
    now = time.time()
    store = open_disk_cache(directory, max_entries=100, max_bytes=10**6, clock=FakeClock())
    for number, (model, days) in enumerate([("a/b@main", 1), ("a/b@main", 3), ("c/d@main", 10)]):
        entry = Entry(200, (), b"x" * 1000, now - days * DAY, served_by="pod/p", model=model)
        store.write(f"{number}" * 64, entry)
    store.close()


def _clear(*options: str) -> Result:
    return CliRunner().invoke(cli, ["cache", "clear", *options])


def _entries(directory: Path) -> list[str]:
    store = open_disk_cache(directory, max_entries=100, max_bytes=10**6, clock=FakeClock())
    found = sorted(one.key[0] for one in store.kept())
    store.close()
    return found


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), []),
        (("--model", "a/b"), ["2"]),
        (("--model", "c/d@main"), ["0", "1"]),
        (("--older-than", "2d"), ["0"]),
        (("--model", "a/b", "--older-than", "2d"), ["0", "2"]),
        (("--key", "11111111"), ["0", "2"]),
        (("--model", "other"), ["0", "1", "2"]),
    ],
)
def test_nothing_is_dropped_without_yes(
    directory: Path, options: tuple[str, ...], left: list[str]
) -> None:
    _keep(directory)
    shown = _clear(*options)
    assert shown.exit_code == 0, shown.output
    assert f"Would drop {3 - len(left)} answers" in shown.output
    assert str(directory) in shown.output
    listed = [line[0] for line in shown.output.splitlines()[1:-1]]
    assert sorted(listed) == sorted({"0", "1", "2"} - {*left})
    assert _entries(directory) == ["0", "1", "2"]
    done = _clear(*options, "--yes")
    assert done.output == f"Dropped {3 - len(left)} answers.\n"
    assert _entries(directory) == left


def test_the_list_tells_key_age_and_model(directory: Path) -> None:
    _keep(directory)
    line = _clear("--key", "22222222").output.splitlines()[1]
    assert line.split("\t") == ["2" * 16, "10d 0h", "1.2 kB", "pod/p", "c/d@main"]


def test_a_long_list_is_cut(directory: Path) -> None:
    store = open_disk_cache(directory, max_entries=100, max_bytes=10**6, clock=FakeClock())
    store.write_all({f"{n:064x}": Entry(200, (), b"x", 1.0, served_by="p") for n in range(25)})
    store.close()
    assert "and 5 more" in _clear().output


@pytest.mark.parametrize("key", ["1234567", "xyzxyzxyz", "0" * 65])
def test_what_is_no_key_is_refused(directory: Path, key: str) -> None:
    refused = _clear("--key", key, "--yes")
    assert refused.exit_code == 2
    assert "hex digits" in refused.output
