"""A configuration file as a flat table of dotted keys, and the line each key stands on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from podman_llm.config.models import Settings
from podman_llm.config.origins import dotted_keys, leaves
from podman_llm.errors import ConfigError

CONFIG_FILE: Final = "pod_config.json"


@dataclass(frozen=True)
class ConfigFile:
    """What a file sets. ``shown`` is its path as people know it."""

    path: Path
    shown: str
    text: str
    values: Mapping[str, Any]

    def line(self, key: str) -> int | None:
        """The line of a dotted key; None when it is written in a way not worth parsing for."""
        at = 0
        for part in key.split("."):
            found = re.compile(rf'"{re.escape(part)}"\s*:').search(self.text, at)
            if found is None:
                return None
            at = found.end()
        return self.text.count("\n", 0, at) + 1


def read_config_file(path: Path, *, shown: str) -> ConfigFile:
    """The file's settings; the keys may be unknown and the values wrong.

    Raises:
        ConfigError: it cannot be read, is no JSON, or is not an object of settings and groups.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise ConfigError(f"{shown}: cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{shown}: is not UTF-8 (byte {err.start})") from err
    tree = _parse(text, shown)
    tree.pop("$schema", None)
    return ConfigFile(path, shown, text, _flatten(tree, shown))


def _parse(text: str, shown: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"{shown}: {min(twice)} is set twice")
        return dict(pairs)

    def no_number(constant: str) -> None:
        raise ConfigError(f"{shown}: {constant} is no JSON number")

    try:
        tree = json.loads(text, object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as err:
        where = f"{shown} line {err.lineno} column {err.colno}"
        raise ConfigError(f"{where}: not JSON: {err.msg}") from err
    except RecursionError as err:
        raise ConfigError(f"{shown}: nested too deeply") from err
    if not isinstance(tree, dict):
        raise ConfigError(f"{shown}: must be a JSON object, with braces")
    return tree


def _flatten(tree: Mapping[str, Any], shown: str) -> dict[str, Any]:
    keys = frozenset(dotted_keys())
    for group in {key.partition(".")[0] for key in keys if "." in key} & tree.keys():
        if not isinstance(tree[group], dict):
            meaning = Settings.model_fields[group].description
            raise ConfigError(f"{shown}: {group} must be an object of settings ({meaning})")
    return {key: _at(tree, key) for key in leaves(tree, keys)}


def _at(tree: Mapping[str, Any], key: str) -> object:
    group, _, name = key.partition(".")
    return _at(tree[group], name) if name else tree[group]
