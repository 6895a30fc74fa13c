"""Settings from environment variables.

Names that people already use keep their meaning; every other key is ``PODMAN_LLM_`` and the key in
capitals, with ``__`` for the dot. A variable of that family that names no key is an error, as an
unknown key in a file is.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from podman_llm.config.models import Settings
from podman_llm.config.origins import dotted_keys
from podman_llm.core.nearest import did_you_mean

PREFIX: Final = "PODMAN_LLM_"
_NAMED: Final = {
    "endpoint": "RUNPOD_ENDPOINT",
    "cache_dir": "CACHE_DIR",
    "max_cache_size": "MAX_CACHE_SIZE",
    "max_cache_bytes": "CACHE_SIZE_BYTES",
    "enable_profiling": "ENABLE_PROFILING",
    "use_https": "USE_HTTPS",
    "ssl_cert": "SSL_CERT",
    "ssl_key": "SSL_KEY",
}
_NO_SETTING: Final = frozenset({"PODMAN_LLM_STATE_DIR"})  # the command line's own
_TRUTH: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def variable_of(key: str) -> str:
    """The environment variable that sets a dotted key."""
    return _NAMED.get(key) or PREFIX + key.replace(".", "__").upper()


def read_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Key to variable and value, for every variable that sets something; an empty one does not."""
    return {
        key: (variable, _value(key, environ[variable]))
        for key in dotted_keys()
        if environ.get(variable := variable_of(key))
    }


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """One sentence for each variable of our family that sets nothing. Its value is not shown."""
    known = {variable_of(key) for key in dotted_keys()}
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in known | _NO_SETTING:
            yield (
                f"environment {variable}: there is no such setting.{did_you_mean(variable, known)}"
            )


def kinds_of(key: str) -> frozenset[object]:
    """The plain types a key admits, ``NoneType`` among them; a list is ``tuple``."""
    group, _, name = key.rpartition(".")
    fields = _fields_of(Settings.model_fields[group].annotation if group else Settings)
    return frozenset(_kinds(fields[name].annotation))


def _fields_of(model: object) -> Mapping[str, FieldInfo]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model.model_fields
    raise TypeError(f"{model} is no group of settings")


def _kinds(annotation: object) -> Iterator[object]:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        for part in typing.get_args(annotation):
            yield from _kinds(part)
    elif origin is typing.Annotated:
        yield from _kinds(typing.get_args(annotation)[0])
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(annotation)}
    else:
        yield origin or annotation


def _value(key: str, text: str) -> object:
    """As JSON would have it, so that one validation serves files and the environment alike."""
    kinds, text = kinds_of(key), text.strip()
    if types.NoneType in kinds and text.lower() == "null":
        return None
    if bool in kinds:
        return _TRUTH.get(text.lower(), text)
    if tuple in kinds and not text.startswith("["):
        return _split(text, may_be_one=str in kinds)
    if kinds & {int, float, tuple}:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text  # validation says what is wrong with it
    return text


def _split(text: str, *, may_be_one: bool) -> str | list[str]:
    parts = [part.strip() for part in text.split(",")]
    return text if may_be_one and len(parts) == 1 else parts
