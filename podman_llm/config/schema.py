"""The settings explained: JSON Schema for editors, words for errors, the reference for people.

All three are made from the models, so that they cannot tell different stories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel

from podman_llm.config.environment import variable_of
from podman_llm.config.models import Settings
from podman_llm.config.origins import dotted_keys, value_at

SCHEMA_FILE: Final = "pod_config.schema.json"

_SAMPLE: Final = {
    "$schema": f"./{SCHEMA_FILE}",
    "modelStoreId": "qwen3-coder-30b-a3b-awq",
    "gpu_type_id": "auto",
    "runtime_seconds": 14400,
    "proxy_port": 8000,
    "max_cache_size": 10000,
    "max_cache_bytes": 1024 * 1024 * 1024,
    "pod": {"max_price_per_hour": 2.0, "idle_seconds": 1800},
}

_HEADER: Final = """\
# Configuration

`pod_config.json` holds settings; every one has a default, so an empty object is a valid file.
A value is taken from the first place that has it:

1. a flag of the command line
2. the environment (an empty variable does not count)
3. the file named by `--config`
4. `./pod_config.json`
5. `pod_config.json` in the user's configuration directory (`$XDG_CONFIG_HOME/podman-llm`, by
   default `~/.config/podman-llm`)
6. the default

`podman-llm config show` prints each value and where it came from, `podman-llm config check` says
what is wrong, `podman-llm config init` writes a sample with its JSON Schema for editors. A path in
a file is relative to that file. In the environment a list is separated by commas or written as
JSON, and `null` is nothing.

Keys are never in this file. `RUNPOD_API_KEY`, and for `podman-llm serve` the server's own
`RUNPOD_ENDPOINT_API_KEY`, are looked for in systemd's `$CREDENTIALS_DIRECTORY/runpod_api_key`, in
`~/.config/podman-llm/runpod_api_key` with mode 0600, and in the environment. A new RunPod key in
that file is taken up while a pod runs. One in the environment needs a new daemon: end the old one
with SIGTERM, which ends no pod, and give `podman-llm up` again.
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of ``pod_config.json``; each description names its variable."""
    schema = Settings.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "pod_config.json"
    for key in dotted_keys():
        node = _node(key, schema)
        node["description"] = f"{node['description']} Environment: {variable_of(key)}."
        node.pop("title", None)
    return schema


def schema_text() -> str:
    """The schema as the file that ships."""
    return json.dumps(json_schema(), indent=2) + "\n"


def sample_text() -> str:
    """A ``pod_config.json`` to begin with: the settings that people change first."""
    return json.dumps(_SAMPLE, indent=2) + "\n"


def allowed(key: str, within: Sequence[int | str] = ()) -> str:
    """What a key, or a part of its value, may be: ``a whole number from 1 to 65535``."""
    return _words(_part(key, within))


def fields_of(key: str, within: Sequence[int | str]) -> tuple[str, ...]:
    """The names that an object within a key's value may hold."""
    return tuple(_part(key, within).get("properties", ()))


def reference_text() -> str:
    """``docs/configuration.md``."""
    sections = "".join(_section(title, keys) for title, keys in _groups())
    return f"{_HEADER}{sections}{''.join(_item_sections())}"


def _groups() -> Iterator[tuple[str, list[str]]]:
    keys = list(dotted_keys())
    yield "Top level", [key for key in keys if "." not in key]
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            title = f"`{name}`: {str(field.description).rstrip('.')}"
            yield title, [key for key in keys if key.startswith(f"{name}.")]


def _section(title: str, keys: list[str]) -> str:
    schema = Settings.model_json_schema(by_alias=True)
    rows = "".join(_row(key, _node(key, schema)) for key in keys)
    return f"\n## {title}\n\n| Key | Default | What it is |\n|---|---|---|\n{rows}"


def _row(key: str, node: dict[str, Any]) -> str:
    default = json.dumps(value_at(Settings(), key))
    meaning = f"{node['description']} May be {_words(node)}. Environment: `{variable_of(key)}`."
    return f"| `{key}` | `{default}` | {meaning.replace('|', chr(92) + '|')} |\n"


def _item_sections() -> Iterator[str]:
    """The keys of objects in lists, which have neither a place nor a variable of their own."""
    schema = Settings.model_json_schema(by_alias=True)
    for key in dotted_keys():
        reference = _node(key, schema).get("items", {}).get("$ref", "")
        item = schema["$defs"].get(reference.rpartition("/")[2], {})
        if "properties" in item:
            rows = "".join(_item_row(name, node) for name, node in item["properties"].items())
            title = f"Each of `{key}`: {item['description'].rstrip('.')}"
            yield f"\n## {title}\n\n| Key | Default | What it is |\n|---|---|---|\n{rows}"


def _item_row(name: str, node: dict[str, Any]) -> str:
    default = f"`{json.dumps(node['default'])}`" if "default" in node else "(must be given)"
    return f"| `{name}` | {default} | {node['description']} May be {_words(node)}. |\n"


def _node(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of the schema that describes a dotted key."""
    *groups, name = key.split(".")
    node = schema
    for group in groups:
        node = schema["$defs"][node["properties"][group]["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = node["properties"][name]
    return found


def _part(key: str, within: Sequence[int | str]) -> dict[str, Any]:
    """The part of the schema that describes what is that far within a key's value."""
    schema = Settings.model_json_schema(by_alias=True)
    node = _node(key, schema)
    for part in within:
        if isinstance(part, int):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(part) or node["additionalProperties"]
        if reference := node.get("$ref"):
            node = schema["$defs"][reference.rpartition("/")[2]]
    return node


def _words(node: dict[str, Any]) -> str:
    match node:
        case {"anyOf": parts}:
            return " or ".join(_words(part) for part in parts)
        case {"$ref": reference}:
            name = str(reference).rpartition("/")[2]
            return _words(Settings.model_json_schema(by_alias=True)["$defs"][name])
        case {"enum": values}:
            return " or ".join(json.dumps(value) for value in values)
        case {"const": value}:
            return json.dumps(value)
        case {"type": "array", "items": items}:
            words = _words(items)
            return f"a list of {'objects' if words == 'an object' else words}"
        case _:
            return _simple_words(node)


def _simple_words(node: dict[str, Any]) -> str:
    match node["type"]:
        case "integer":
            words = f"a whole number{_range(node)}"
        case "number":
            words = f"a number{_range(node)}"
        case "boolean":
            words = "true or false"
        case "string" if node.get("format") == "path":
            words = "a path"
        case "string" if "pattern" in node:
            words = f"text that matches `{node['pattern']}`"
        case kind:
            words = {"string": "text", "object": "an object"}.get(kind, kind)
    return words


def _range(node: dict[str, Any]) -> str:
    if "minimum" in node and "maximum" in node:
        return f" from {node['minimum']:g} to {node['maximum']:g}"
    if "minimum" in node:
        return f" of at least {node['minimum']:g}"
    if "exclusiveMinimum" in node:
        return f" above {node['exclusiveMinimum']:g}"
    return ""
