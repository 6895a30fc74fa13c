"""The settings in force, each with its origin.

A value comes from the first of: flag, environment, the file of ``--config``, ``./pod_config.json``,
the user's configuration directory, default. Layers are flat tables of dotted keys, so that strength
is decided key by key and every value can say where it came from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from podman_llm.config.checks import names_no_model, problems
from podman_llm.config.directories import user_cache_dir, user_config_dir
from podman_llm.config.environment import kinds_of, read_environment, unknown_variables
from podman_llm.config.files import CONFIG_FILE, ConfigFile, read_config_file
from podman_llm.config.model_store import bundled, unknown_model
from podman_llm.config.models import Settings
from podman_llm.config.origins import DEFAULT, Kind, Origin, dotted_keys, masked
from podman_llm.config.schema import allowed, fields_of
from podman_llm.core.nearest import did_you_mean
from podman_llm.errors import ConfigError

_SHOWN_CHARACTERS = 60
_NAMES_A_SECRET = re.compile("api_?key|token|secret|password", re.IGNORECASE)
_NO_PLACE = " Secrets have no place here: use the environment or a file of their own, mode 0600."
_KEY_NAMED = f"{_NO_PLACE} `key_name` names the variable, or in lower case the file."


@dataclass(frozen=True)
class Loaded:
    """Settings with absolute paths, and the origin of every dotted key."""

    settings: Settings
    origins: Mapping[str, Origin]


@dataclass(frozen=True)
class _Layer:
    """One place's values. ``base`` is what its relative paths are relative to."""

    values: Mapping[str, Any]
    base: Path
    origins: Mapping[str, Origin] = field(default_factory=dict)


def load(
    *,
    flags: Mapping[str, Any],
    cwd: Path,
    config_path: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read, merge and check everything. ``flags`` maps dotted keys to values; None is a value.

    Raises:
        ConfigError: names every wrong key with its file and line or variable, its value, what is
            allowed, and the nearest name.
    """
    environ = os.environ if environ is None else environ
    _raise_if_any(list(unknown_variables(environ)))
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = dict.fromkeys(dotted_keys(), DEFAULT)
    for layer in _weakest_first(flags, environ, config_path, cwd):
        _raise_if_any(list(_unknown_keys(layer)))
        values |= {key: _absolute(key, value, layer.base) for key, value in layer.values.items()}
        origins |= layer.origins
    settings = _validate(values, origins)
    _check(settings, origins)
    if settings.cache_dir is None:
        settings = settings.model_copy(update={"cache_dir": user_cache_dir(environ) / "answers"})
    return Loaded(settings, origins)


def _weakest_first(
    flags: Mapping[str, Any], environ: Mapping[str, str], config_path: Path | None, cwd: Path
) -> Iterator[_Layer]:
    user_file = user_config_dir(environ) / CONFIG_FILE
    if _is_there(user_file):
        yield _file_layer(read_config_file(user_file, shown=str(user_file)))
    if _is_there(cwd / CONFIG_FILE):
        yield _file_layer(read_config_file(cwd / CONFIG_FILE, shown=CONFIG_FILE))
    if config_path is not None:
        yield _file_layer(read_config_file(cwd / config_path, shown=str(config_path)))
    variables = read_environment(environ)
    yield _Layer(
        {key: value for key, (_, value) in variables.items()},
        cwd,
        {key: Origin(Kind.ENVIRONMENT, name) for key, (name, _) in variables.items()},
    )
    yield _Layer(flags, cwd, {key: Origin(Kind.FLAG) for key in flags})


def _is_there(path: Path) -> bool:
    """Also what only stands in a file's place: a link to nowhere must not pass for no settings."""
    return path.is_file() or path.is_dir() or path.is_symlink()


def _file_layer(file: ConfigFile) -> _Layer:
    origins = {key: Origin(Kind.FILE, file.shown, file.line(key)) for key in file.values}
    return _Layer(file.values, file.path.resolve().parent, origins)


def _unknown_keys(layer: _Layer) -> Iterator[str]:
    known = list(dotted_keys())
    for key in layer.values:
        if key in known:
            continue
        advice = _NO_PLACE if _NAMES_A_SECRET.search(key) else did_you_mean(key, known)
        yield f"{layer.origins[key]}: there is no setting {key}.{advice}"


def _absolute(key: str, value: object, base: Path) -> object:
    if key not in _PATH_KEYS or not isinstance(value, str | Path) or not str(value):
        return value
    return str(base / Path(value).expanduser())


def _validate(values: Mapping[str, Any], origins: Mapping[str, Origin]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[name] = value
    try:
        # As JSON and strictly: "8000" is no port, and a list is a tuple all the same.
        return Settings.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as err:
        sentences = [_sentence(error, values, origins) for error in err.errors()]
        _raise_if_any(list(dict.fromkeys(sentences)))
        raise


def _sentence(error: ErrorDetails, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> str:
    key = _key_of(tuple(error["loc"]))
    within = error["loc"][key.count(".") + 1 :]
    if not any(isinstance(part, int) for part in within[:-1]):
        return f"{origins[key]}: {_refusal(key, values[key], allowed(key))}"
    # A field of an object in a list: the list as a whole would say too little.
    path = key + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in within)
    return f"{origins[key]}: {_refusal_within(error, key, within, path)}"


def _refusal_within(error: ErrorDetails, key: str, within: tuple[int | str, ...], path: str) -> str:
    if error["type"] == "extra_forbidden":
        fields, name = fields_of(key, within[:-1]), str(within[-1])
        advice = _KEY_NAMED if _NAMES_A_SECRET.search(name) else did_you_mean(name, fields)
        return f"there is no setting {path}.{advice}"
    if error["type"] == "missing":
        return f"{path} must be given: {allowed(key, within)}."
    if within[-1] == "key_name":  # people write the key itself here
        return f"{path} must be {allowed(key, within)}: a variable's name.{_KEY_NAMED}"
    return _refusal(path, error["input"], allowed(key, within))


def _key_of(location: tuple[int | str, ...]) -> str:
    """The dotted key at the head of a location; the rest is which part of its value was tried."""
    heads = [".".join(map(str, location[:length])) for length in (1, 2)]
    return next(head for head in heads if head in _KEYS)


def _refusal(path: str, value: object, may_be: str) -> str:
    shown = json.dumps(masked(value), default=str)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}..."
    return f"{path} = {shown}: must be {may_be}."


def _check(settings: Settings, origins: Mapping[str, Origin]) -> None:
    found = problems(settings)
    _raise_if_any([f"{path} ({origins[path.partition('[')[0]]}): {what}." for path, what in found])
    if names_no_model(settings):
        raise unknown_model(settings.modelStoreId, bundled().models)


def _raise_if_any(sentences: list[str]) -> None:
    if sentences:
        raise ConfigError(
            "\n".join(sentences),
            hint="`podman-llm config schema` describes every setting.",
        )


_KEYS = frozenset(dotted_keys())
_PATH_KEYS = frozenset(key for key in _KEYS if Path in kinds_of(key))
