"""Strict bodies: RunPod's published request schemas, and its validator's wording.

The checker knows only the JSON Schema words that these requests use. It reports as Go's validator
does, quirk included: a body without ``name`` also has its other pod fields called "additional",
because the branch of the schema that knows them has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""Whatever ``json.loads`` gives."""

_STRING: Final = {"type": "string"}
_STRINGS: Final = {"type": "array", "items": _STRING}
_CUDA: Final = {"type": "string", "pattern": r"^\d+\.\d+$"}
_COUNT: Final = {"type": "integer", "minimum": 1}
_FLAG: Final = {"type": "boolean"}
_NAME: Final = {"type": "string", "minLength": 1}

_CONTAINER: Final = {
    "args": _STRING,
    "disk": _COUNT,
    "env": {"type": "object", "values": _STRING},
    "image": _STRING,
    "ports": _STRINGS,
    "registry": {"type": ["string", "null"]},
    "entrypoint": _STRINGS,
    "cmd": _STRINGS,
}

_MOUNTS: Final = {
    "type": "object",
    "properties": {
        "persistent": {
            "type": "object",
            "required": ("size", "path"),
            "properties": {"size": {"type": "integer", "minimum": 10}, "path": _STRING},
        },
        "network": {
            "type": "array",
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ("volumeId", "path"),
                "properties": {"volumeId": _STRING, "path": _STRING},
            },
        },
    },
}

_POD: Final = {
    "name": _NAME,
    "cloud": {"type": "string", "enum": ("SECURE", "COMMUNITY")},
    "cpu": {
        "type": "object",
        "required": ("id", "vcpuCount"),
        "properties": {"id": _NAME, "vcpuCount": {"type": "integer", "minimum": 2}},
    },
    "dataCenterIds": _STRINGS,
    "globalNetworking": _FLAG,
    "gpu": {
        "type": "object",
        "required": ("id",),
        "properties": {
            "id": _STRING,
            "count": _COUNT,
            "allowedCudaVersions": {"type": "array", "items": _CUDA},
            "minCudaVersion": _CUDA,
            "minRamPerGpu": _COUNT,
            "minVcpuCountPerGpu": _COUNT,
        },
    },
    "mounts": _MOUNTS,
    "startJupyter": _FLAG,
    "startSsh": _FLAG,
    "templateId": _NAME,
}

CREATE: Final = {"type": "object", "required": ("name",), "properties": _CONTAINER | _POD}
UPDATE: Final = {
    "type": "object",
    "properties": _CONTAINER
    | {"globalNetworking": _FLAG, "locked": _FLAG, "mounts": _MOUNTS}
    | {"name": _NAME, "templateId": _STRING},
}
ACTION: Final = {
    "type": "object",
    "required": ("action",),
    "properties": {"action": {"type": "string", "enum": ("start", "stop", "restart", "terminate")}},
}
SSH_KEYS: Final = {"type": "object", "required": ("keys",), "properties": {"keys": _STRINGS}}


_KINDS: Final = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def create_errors(body: Json) -> list[str]:
    """What is wrong with the body of a create, in RunPod's words; empty when nothing is."""
    errors = list(errors_in(body, CREATE))
    if not isinstance(body, dict):
        return errors
    if "name" not in body:
        innocent = _quoted(key for key in body if key in _POD)
        errors += [f"$: additional properties {innocent} not allowed"] if innocent else []
    if not {"image", "templateId"} & body.keys():
        errors.append("$: missing property 'image'")
    return errors


def errors_in(value: Json, schema: dict[str, Any], path: str = "$") -> Iterator[str]:
    """Each violation of ``schema``, as ``$.where: what``."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if _kind(value) not in kinds:
        yield f"{path}: got {_kind(value)}, want {' or '.join(kinds)}"
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, path)
    elif isinstance(value, list):
        yield from _array_errors(value, schema, path)
    else:
        yield from _scalar_errors(value, schema, path)


def _object_errors(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    missing = _quoted(key for key in schema.get("required", ()) if key not in value)
    if missing:
        yield f"{path}: missing {'properties' if ',' in missing else 'property'} {missing}"
    unknown = _quoted(key for key in value if key not in properties)
    if unknown and "values" not in schema:
        yield f"{path}: additional properties {unknown} not allowed"
    for key, item in value.items():
        if key in properties or "values" in schema:
            yield from errors_in(item, properties.get(key) or schema["values"], f"{path}.{key}")


def _array_errors(value: list[Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: maxItems: got {len(value)}, want {schema['maxItems']}"
    for index, item in enumerate(value):
        yield from errors_in(item, schema["items"], f"{path}[{index}]")


def _scalar_errors(value: Json, schema: dict[str, Any], path: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: minimum: got {value}, want {schema['minimum']}"
    if "minLength" in schema and len(value) < schema["minLength"]:
        yield f"{path}: minLength: got {len(value)}, want {schema['minLength']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: value must be one of {_quoted(schema['enum'])}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: '{value}' does not match pattern '{schema['pattern']}'"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _kind(value: Json) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return _KINDS[type(value)]
