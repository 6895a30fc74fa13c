"""``response_format`` for models behind Converse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from podman_llm.core.converse_names import safe_name
from podman_llm.core.translation import Json, Untranslatable

JSON_ONLY: Final = (
    "Answer with a single JSON object and nothing else: no prose around it, no code fence."
)
"""What takes the place of OpenAI's JSON mode, for which Converse has no member."""

# The keywords under which a schema holds others, one or a list or by name.
_ONE: Final = ("items", "additionalItems", "contains", "not", "if", "then", "else")
_LISTED: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "$defs", "definitions")


def asks_json_object(body: Mapping[str, Any]) -> bool:
    """Whether any JSON object is asked for."""
    return _kind(body) == "json_object"


def asks_json_schema(body: Mapping[str, Any]) -> bool:
    """Whether JSON of a given schema is asked for."""
    return _kind(body) == "json_schema"


def text_format(body: Mapping[str, Any]) -> Json:
    """The members of ``outputConfig`` for a schema, if one is asked for; raises Untranslatable."""
    if _kind(body) in (None, "text", "json_object"):
        return {}
    match body["response_format"]:
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema} as wanted}:
            told = {"schema": json.dumps(closed(schema), ensure_ascii=False)}
            if name := wanted.get("name"):
                told["name"] = safe_name(str(name))
            if description := wanted.get("description"):
                told["description"] = str(description)
            return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": told}}}
        case _:
            told_format = "response_format is text, json_object, or json_schema with a schema"
            raise Untranslatable(told_format, param="response_format")


def closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """The schema with its objects closed to further members, as Bedrock demands of each."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in _ONE:
        if key in made:
            made[key] = closed(made[key])
    for key in _LISTED:
        if isinstance(made.get(key), list):
            made[key] = [closed(one) for one in made[key]]
    for key in _NAMED:
        if isinstance(made.get(key), dict):
            made[key] = {name: closed(one) for name, one in made[key].items()}
    if made.get("type") == "object" or "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def _kind(body: Mapping[str, Any]) -> object:
    wanted = body.get("response_format")
    return wanted.get("type") if isinstance(wanted, dict) else wanted
