"""The house rules, held by machine: floors, keepers, purity, no cycles, small files, tests."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "podman_llm"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

FLOORS: list[set[str]] = [
    {"errors"},
    {"core"},
    {"host"},
    {"config", "state", "telemetry"},
    {"providers", "upstreams", "cache", "usage"},
    {"pods", "proxy", "supervisor"},
    {"daemon"},
    {"bootstrap"},
    {"cli", "gateway"},
    {"__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ADAPTER_FLOOR = FLOOR["providers"]

KEEPERS = {
    "requests": {"providers"},
    "urllib3": {"providers"},
    "aiohttp": {"upstreams", "proxy", "testing"},
    "yarl": {"upstreams", "proxy", "testing"},
    "multidict": {"upstreams", "proxy", "testing"},
    "diskcache": {"cache.disk"},
    "filelock": {"state.locks"},
    "psutil": {"host.process"},
    "click": {"cli"},
    "rich": {"cli"},
    "pydantic": {"config", "state"},
    "botocore": {"upstreams.sigv4", "upstreams.eventstream"},
}
CONCRETE = {
    "cache.disk",
    "cache.memory",
    "cache.threaded",
    "cache.tiered",
    "providers.local",
    "providers.runpod.provider",
    "providers.webhook",
    "upstreams.aws_access",
    "upstreams.bedrock",
    "upstreams.openai",
}
IMPURE = {
    "asyncio", "datetime", "io", "logging", "os", "pathlib", "random", "secrets", "select",
    "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib",
    "uuid",
}  # fmt: skip
BANNED_WORDS = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "manager",
    "service",
    "info",
}
LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def own_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "podman_llm"}


ALL = pytest.mark.parametrize("module", MODULES)


@ALL
def test_imports_go_only_down(module: str) -> None:
    room = room_of(module)
    if room in {"", "__init__"}:
        return
    for target in own_imports(MODULES[module]):
        other = room_of(target)
        if other in {room, ""}:
            continue
        if room == "testing":
            assert FLOOR[other] <= ADAPTER_FLOOR, f"{module} imports {target}: above the adapters"
        elif other == "testing":
            assert module == "podman_llm.cli.dev", f"{module} imports {target}: only cli.dev may"
        else:
            assert FLOOR[other] < FLOOR[room], f"{module} imports {target}: up or sideways"


@ALL
def test_third_parties_have_one_keeper(module: str) -> None:
    own = module.removeprefix("podman_llm.")
    for name in imports(MODULES[module]):
        keepers = KEEPERS.get(name.split(".")[0])
        if keepers is None:
            continue
        allowed = any(own == keeper or own.startswith(keeper + ".") for keeper in keepers)
        assert allowed, f"{module} imports {name}, kept by {sorted(keepers)}"


@ALL
def test_only_bootstrap_names_concrete_adapters(module: str) -> None:
    for target in own_imports(MODULES[module]):
        named = target.removeprefix("podman_llm.")
        if named in CONCRETE and room_of(target) != room_of(module):
            assert room_of(module) in {"bootstrap", "testing"}, f"{module} imports {target}"


@ALL
def test_core_is_pure(module: str) -> None:
    if room_of(module) != "core":
        return
    for name in imports(MODULES[module]):
        assert name.split(".")[0] not in IMPURE, f"{module} imports {name}"


def test_no_cycles_lazy_imports_included() -> None:
    graph = {name: own_imports(path) - {name} for name, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()


@ALL
def test_files_are_small(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX, f"{module} has {lines} lines"


@ALL
def test_functions_are_small(module: str) -> None:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{module}.{node.name} has {lines} lines"


@ALL
def test_each_module_has_its_test_file(module: str) -> None:
    path = MODULES[module].relative_to(PACKAGE)
    if path.name in {"__init__.py", "__main__.py"}:
        return  # a docstring, and the two lines that every end-to-end test runs through
    expected = ROOT / "tests" / path.parent / f"test_{path.name}"
    assert expected.exists(), f"{module} has no {expected.relative_to(ROOT)}"


@ALL
def test_names_say_what_is_inside(module: str) -> None:
    words = {word for part in module.split(".") for word in part.split("_")}
    assert not words & BANNED_WORDS


@ALL
def test_package_files_hold_their_law_and_nothing_else(module: str) -> None:
    path = MODULES[module]
    if path.name != "__init__.py":
        return
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr), "only a docstring"
