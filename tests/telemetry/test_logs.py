from __future__ import annotations

import io
import json
import logging
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podman_llm.telemetry.logs import LogFormat, Redactor, start_logging

_SECRET = "correct-horse-battery"
_POD_KEY = "pllm-" + "0123456789abcdef01234567" + "89abcdef01234567"
_LOG = logging.getLogger("podman_llm.test")


@pytest.fixture
def log_to() -> Iterator[Callable[..., io.StringIO]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def start(log_format: LogFormat = "text", level: str = "INFO") -> io.StringIO:
        stream = io.StringIO()
        redactor = Redactor([_SECRET, ""])
        start_logging(stream, log_format=log_format, level=level, redactor=redactor)
        return stream

    root.handlers = []
    yield start
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("podman_llm").setLevel(logging.NOTSET)


def _log_failure(name: str, error: Exception, **facts: object) -> None:
    def fail() -> None:
        raise error

    try:
        fail()
    except RuntimeError:
        _LOG.exception(name, extra=facts)


# Secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        _SECRET,
        _POD_KEY,
        "rpa_ABCDEF0123456789",
        "sk-proj-abc_DEF-0123456789",
        "hf_AbCdEfGhIjKl",
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_struck_wherever_it_hides(
    log_to: Callable[..., io.StringIO], secret: str, form: LogFormat
) -> None:
    stream = log_to(form)
    _LOG.info("asked with %s", secret, extra={"header": secret, "all": {"k": [secret]}})
    _LOG.info(secret, extra={"error": ValueError(secret), "path": Path(secret)})
    _log_failure("failed", RuntimeError(secret))
    text = stream.getvalue()
    assert secret not in text
    assert text.count("[secret]") >= 7
    assert "RuntimeError" in text


def test_whatever_follows_bearer_is_struck_and_the_rest_stays() -> None:
    strike = Redactor().strike
    assert strike("Authorization: Bearer a.b/c+d== x") == "Authorization: Bearer [secret] x"
    assert strike('{"a": "bearer xyz"}') == '{"a": "bearer [secret]"}'


@pytest.mark.parametrize(
    "harmless",
    [
        "pllm-abcdef-qwen3-coder-abc123def456-x1795003600",
        "task-force sk-1 ask-questions-of-everybody",
        "rpa_ is a prefix",
        "a standard bearer",
    ],
)
def test_what_is_no_secret_is_told(harmless: str) -> None:
    assert Redactor(["ab"]).strike(harmless) == harmless


def test_a_secret_that_contains_another_is_struck_whole() -> None:
    assert Redactor(["abcd", "abcdefgh"]).strike("abcdefgh abcd") == "[secret] [secret]"


def test_facts_keep_their_types(log_to: Callable[..., io.StringIO]) -> None:
    stream = log_to("json")
    _LOG.info("x.y", extra={"n": 3, "f": 0.5, "yes": True, "none": None, "l": (1, "a")})
    line = json.loads(stream.getvalue())
    assert [line[k] for k in ("n", "f", "yes", "none", "l")] == [3, 0.5, True, None, [1, "a"]]


# Lines ------------------------------------------------------------------------------------------


def test_a_text_line_reads_as_words(log_to: Callable[..., io.StringIO]) -> None:
    stream = log_to()
    _LOG.warning("pod.ready", extra={"pod": "p1", "note": 'say "hi" now', "empty": ""})
    at, rest = stream.getvalue().split(" ", 1)
    assert at.endswith("Z")
    assert rest == 'WARNING pod.ready pod=p1 note="say \\"hi\\" now" empty=""\n'


def test_a_json_line_is_one_object_whose_fixed_fields_no_fact_hides(
    log_to: Callable[..., io.StringIO],
) -> None:
    stream = log_to("json")
    _log_failure("pod.failed", RuntimeError("line one\nline two"), event="forged", pod="ü")
    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (line["event"], line["level"], line["pod"]) == ("pod.failed", "ERROR", "ü")
    assert line["logger"] == "podman_llm.test"
    assert "line two" in line["traceback"]


def test_our_level_is_chosen_and_libraries_only_warn(log_to: Callable[..., io.StringIO]) -> None:
    stream = log_to(level="DEBUG")
    _LOG.debug("ours")
    logging.getLogger("urllib3").debug("GET https://host/?key=1")
    logging.getLogger("urllib3").warning("theirs")
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == ["ours", "theirs"]


def test_the_file_is_private_and_turned_over_by_size(
    log_to: Callable[..., io.StringIO], tmp_path: Path
) -> None:
    path = tmp_path / "daemon.log"
    start_logging(path, redactor=Redactor(), max_bytes=400, generations=2)
    for number in range(30):
        _LOG.info("tick", extra={"number": number})
    files = sorted(tmp_path.glob("daemon.log*"))
    assert [file.name for file in files] == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(file.stat().st_size <= 400 for file in files)
    assert "number=29" in path.read_text()


def test_secrets_learned_later_are_struck_out_too() -> None:
    redactor = Redactor(["first-secret"])
    assert redactor.strike("later-secret") == "later-secret"
    redactor.learn(["later-secret", "abc"])
    assert redactor.strike("first-secret later-secret abc") == "[secret] [secret] abc"
