from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from podman_llm.cli import main as main_module
from podman_llm.cli.main import COMMANDS, HIDDEN, cli, main
from podman_llm.errors import NoCapacity, PodmanLLMError


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from podman_llm.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('aiohttp', 'requests', 'rich', 'pydantic') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_every_command_listed_can_be_loaded_and_says_what_it_does() -> None:
    context = cli.make_context("podman-llm", ["--version-not-asked"], resilient_parsing=True)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help or command.hidden
    assert "daemon" not in cli.list_commands(context)
    assert set(cli.list_commands(context)) | HIDDEN == set(COMMANDS)


def test_every_exit_code_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    pending: list[type[PodmanLLMError]] = [PodmanLLMError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        assert f"{kind.exit_code:>5}  " in text, f"{kind.__name__} exits {kind.exit_code}"


def test_an_error_of_ours_is_told_in_words_and_exits_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise NoCapacity("nothing is free", hint="Try later.")

    monkeypatch.setattr(main_module.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 5
    assert capsys.readouterr().err == "error: nothing is free\n       Try later.\n"


def test_what_the_machine_refuses_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "missing" / "url"
    with pytest.raises(SystemExit) as ended:
        main(["dev", "fake-runpod", "--port", "0", "--announce", str(there)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: [Errno 2] No such file or directory")


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", "--for", "whenever"])
    assert ended.value.code == 2
    assert "write for example" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("podman-llm 0.")
