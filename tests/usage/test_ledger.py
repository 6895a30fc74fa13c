from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from podman_llm.core.charges import DAY, PodHours, Stretch
from podman_llm.errors import StateError
from podman_llm.usage.ledger import _SCHEMA, PodLedger, open_ledger, prepared, read_ledger

START = 20_000.0 * DAY + 3600


def hours(pod_id: str = "pod1", length: float = 3600.0, rate: int | None = 500_000) -> PodHours:
    return PodHours(pod_id, f"name of {pod_id}", "L4", (Stretch(START, START + length, rate),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> PodLedger:
    return open_ledger(path)


def test_a_line_comes_back_as_it_was_entered(ledger: PodLedger, path: Path) -> None:
    line = replace(hours(), is_settled=True, reason="idle")
    ledger.enter([line])
    assert ledger.lines() == (line,)
    reader = read_ledger(path)
    assert reader
    assert reader.lines() == (line,)
    assert path.stat().st_mode & 0o077 == 0


def test_a_disk_counts_in_what_is_spent_and_not_as_a_gpu(ledger: PodLedger) -> None:
    line = replace(hours(), disk_micros_per_hour=10_000)
    ledger.enter([line])
    assert ledger.lines() == (line,)
    assert line.amount.micros == 500_000
    spent = ledger.spent(besides=None, day=20_000)
    assert (spent.total, spent.days) == (510_000, {20_000: 510_000})


def test_a_ledger_of_the_first_format_is_read_and_goes_on(path: Path) -> None:
    old = _SCHEMA.replace(",\n  disk INTEGER", "")
    with closing(sqlite3.connect(path)) as db:
        db.execute(old)
        row = ("a", "n", "L4", START, START + 3600, 500_000, "[[%s, %s, 500000]]", 1, "idle")
        row = (*row[:6], row[6] % (START, START + 3600), *row[7:])
        db.execute(f"INSERT INTO pods VALUES ({', '.join('?' * 9)})", row)
        db.execute("PRAGMA user_version = 1")
        db.commit()
    reader = read_ledger(path)
    assert reader
    assert [line.pod_id for line in reader.lines()] == ["a"]
    reader.close()
    writer = open_ledger(path)
    writer.enter([replace(hours("b"), disk_micros_per_hour=10_000)])
    assert [line.disk_micros_per_hour for line in writer.lines()] == [None, 10_000]
    assert writer.spent(besides=None, day=20_000).total == 1_010_000
    writer.close()
    assert [line.pod_id for line in open_ledger(path).lines()] == ["a", "b"]


def test_a_crash_on_the_way_to_a_new_format_leaves_the_old_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(_SCHEMA.replace(",\n  disk INTEGER", ""))
        db.execute("PRAGMA user_version = 1")
        db.commit()

    def forbid_the_last_step(action: int, name: str | None, value: str | None, *_: object) -> int:
        is_last = (action, name) == (sqlite3.SQLITE_PRAGMA, "user_version") and value is not None
        return sqlite3.SQLITE_DENY if is_last else sqlite3.SQLITE_OK

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.set_authorizer(forbid_the_last_step)
        with pytest.raises(sqlite3.DatabaseError):
            prepared(db)
    open_ledger(path).close()


def test_entering_twice_is_entering_once(ledger: PodLedger) -> None:
    for _ in range(3):
        ledger.enter([hours()])
    assert ledger.spent(besides=None, day=20_000).total == 500_000


def test_a_line_never_gets_cheaper(ledger: PodLedger) -> None:
    ledger.enter([hours(length=7200)])
    ledger.enter([hours(length=60)])
    ledger.enter([hours(length=7200, rate=None)])
    assert ledger.lines()[0].amount.micros == 1_000_000


def test_what_all_the_others_cost_is_told_by_day_and_in_all(ledger: PodLedger) -> None:
    ledger.enter([hours("a"), hours("b"), hours("c", length=DAY)])
    spent = ledger.spent(besides="a", day=20_000)
    assert spent.total == 500_000 + 12_000_000
    assert spent.days == {20_000: 500_000 + 11_500_000, 20_001: 500_000}


def test_open_lines_are_those_without_proof(ledger: PodLedger) -> None:
    ledger.enter([hours("a"), replace(hours("b"), is_settled=True)])
    assert [line.pod_id for line in ledger.open_lines()] == ["a"]


def test_a_batch_is_entered_whole_or_not_at_all(ledger: PodLedger) -> None:
    broken = replace(hours("b"), name=None)  # type: ignore[arg-type]  # what the table refuses
    with pytest.raises(StateError, match="ledger"):
        ledger.enter([hours("a"), broken])
    assert ledger.lines() == ()
    ledger.enter([hours("a")])


def test_nobody_but_the_writer_can_enter(ledger: PodLedger, path: Path) -> None:
    reader = read_ledger(path)
    assert reader
    with pytest.raises(StateError):
        reader.enter([hours()])


def test_without_a_file_there_is_no_ledger_and_none_is_made(path: Path) -> None:
    assert read_ledger(path) is None
    assert not path.exists()


@pytest.mark.parametrize("damage", [b"not a database at all, but long enough to be one" * 40])
def test_a_damaged_file_is_unknown_and_never_an_empty_ledger(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with pytest.raises(StateError, match="cannot be"):
        open_ledger(path)
    with pytest.raises(StateError, match="cannot be"):
        read_ledger(path)
    assert path.read_bytes() == damage


def test_a_newer_format_is_refused(ledger: PodLedger, path: Path) -> None:
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateError, match="version 99"):
        open_ledger(path)


def test_kill_9_loses_no_line_that_was_entered(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from podman_llm.core.charges import PodHours, Stretch\n"
        "from podman_llm.usage.ledger import open_ledger\n"
        "ledger = open_ledger(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    ledger.enter([PodHours(f'pod{n}', 'n', 'L4', (Stretch(0.0, 3600.0, 1000),))])\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        for line in child.stdout:
            if line.strip() == "20":
                os.kill(child.pid, signal.SIGKILL)
                break
        told = [int(line) for line in child.stdout.read().split()]
    entered = {line.pod_id for line in open_ledger(path).lines()}
    assert {f"pod{n}" for n in range(max([20, *told]) + 1)} <= entered
