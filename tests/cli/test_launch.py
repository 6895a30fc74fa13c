from __future__ import annotations

from pathlib import Path

from podman_llm.cli.launch import spawn_detached, tail


def test_a_detached_process_writes_to_its_log_and_has_its_own_session(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    process = spawn_detached(["--version"], log)
    assert process.wait(timeout=20) == 0
    assert tail(log).startswith("podman-llm ")


def test_the_tail_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join(str(n) for n in range(100)))
    assert tail(log, 2) == "98\n99"
