from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.config.files import ConfigFile, read_config_file
from podman_llm.errors import ConfigError


def read(tmp_path: Path, text: str | bytes) -> ConfigFile:
    path = tmp_path / "pod_config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config_file(path, shown="pod_config.json")


def test_groups_become_dotted_keys_and_the_schema_line_is_dropped(tmp_path: Path) -> None:
    file = read(tmp_path, '{"$schema": "x", "proxy_port": 1, "pod": {"clouds": ["SECURE"]}}')
    assert file.values == {"proxy_port": 1, "pod.clouds": ["SECURE"]}


def test_a_key_knows_its_line_and_not_that_of_a_namesake(tmp_path: Path) -> None:
    text = '{\n "proxy": {\n  "drain_seconds": 1\n },\n "pod": {\n  "drain_seconds": 2\n }\n}'
    file = read(tmp_path, text)
    assert file.line("proxy.drain_seconds") == 3
    assert file.line("pod.drain_seconds") == 6


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf{}").values == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{\n "proxy_port": 1,\n}', "line 3 column 1: not JSON"),
        ("", "line 1 column 1: not JSON"),
        ("[]", "must be a JSON object"),
        ('{"pod": 3}', "pod must be an object"),
        ('{"proxy_port": 1, "proxy_port": 2}', "proxy_port is set twice"),
        ('{"runtime_seconds": NaN}', "NaN is no JSON number"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        ('{"a":' * 20000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_says_what_it_is_not(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.message.startswith("pod_config.json")
    assert complaint in caught.value.message


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.json: cannot be read: No such file"):
        read_config_file(tmp_path / "absent", shown="mine.json")
