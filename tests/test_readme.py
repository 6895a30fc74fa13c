"""README, help, configuration and code tell the same story."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from podman_llm.cli.main import cli
from podman_llm.core.pod import ALLOWED, Phase

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for kind, block in fences if kind == language]


def test_ci_runs_exactly_the_two_commands_a_person_is_told() -> None:
    first, second = (block.strip() for block in blocks("sh")[:2])
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert first in ci
    assert f"\n{second}\n" in ci


def test_every_command_shown_exists_with_its_flags() -> None:
    context = cli.make_context("podman-llm", [], resilient_parsing=True)
    shown = re.findall(r"podman-llm ((?:-{0,2}[a-z][a-z-]*)(?: [^`|]*)?)", README)
    assert len(shown) > 10
    for text in shown:
        name = text.split()[0]
        if name == "--help":
            continue
        if name.startswith("--"):
            assert any(name in parameter.opts for parameter in cli.params), name
            continue
        command = cli.get_command(context, name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        sub = getattr(command, "commands", {})
        known |= {o for c in sub.values() for p in c.params for o in p.opts}
        for flag in re.findall(r"(?<![\w-])--[a-z-]+", text):
            assert flag in known, f"{name} {flag}"


def test_the_life_shown_is_in_the_table() -> None:
    [drawing] = [block for block in blocks("") if "INTENT" in block]
    for line in drawing.splitlines():
        states = [Phase(word) for word in re.findall(r"[A-Z]{4,}", line.split(" (")[0])]
        for before, after in itertools.pairwise(states):
            assert after in ALLOWED[before], f"{before} > {after}"


def test_headers_shown_are_those_of_the_proxy() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "podman_llm" / "proxy").glob("*.py")
    )
    told = ("X-Request-Id", "X-Cache", "Age", "X-Served-By", "X-Pod-State")
    for header in (*told, "X-Attempts", "X-Fallback-Reason"):
        assert f"`{header}`" in README
        assert header.lower() in sources.lower()


def test_every_script_named_is_there() -> None:
    for name in set(re.findall(r"scripts/[a-z-]+", README)):
        assert (ROOT / name).stat().st_mode & 0o100, name
