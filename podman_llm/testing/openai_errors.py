"""Refusals of the vLLM double, as bodies of HTTP answers."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_SHOWN_PROBLEMS = 10
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."


class Refused(Exception):
    """The request is answered with ``status`` and ``body`` instead of an answer."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def envelope(status: int, message: str, kind: str, param: str | None = None) -> Json:
    """The body that OpenAI's clients expect of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def bad_request(message: str, param: str | None = None, value: object = None) -> Refused:
    """A well-formed request that asks for something impossible.

    The message ends with the parameter and, where one is given, its value.
    """
    if param is not None:
        told = "" if value is None else f", value={value}"
        message = f"{message} (parameter={param}{told})"
    return Refused(400, envelope(400, message, "BadRequestError", param))


def unknown_model(name: str, served: tuple[str, ...]) -> Refused:
    """No model is served under ``name``."""
    message = f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}."
    return Refused(404, envelope(404, message, "NotFoundError", "model"))


def malformed(problems: list[Json]) -> Refused:
    """The body does not have the documented shape; each problem has type, loc, msg and input."""
    plural = "s" if len(problems) > 1 else ""
    lines = [f"{len(problems)} validation error{plural}:"]
    lines += [f"  {problem!r}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  ...and {len(problems) - _SHOWN_PROBLEMS} more errors")
    message = "\n".join(lines)
    return Refused(400, envelope(400, message, "Bad Request", problems[0]["loc"]))


def wrong_media_type() -> Refused:
    """The content type is not JSON."""
    message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
    return Refused(400, envelope(400, message, "Bad Request"))


def detail(status: int, text: str) -> Refused:
    """A refusal of the web framework, which does not know OpenAI's error shape."""
    return Refused(status, {"detail": text})


def problem(kind: str, loc: str, text: str, given: object, **ctx: object) -> Json:
    """One line of a list of validation problems, with ``given`` shortened as vLLM shortens it."""
    line: Json = {"type": kind, "loc": loc, "msg": text, "input": shown(given)}
    if ctx:
        line["ctx"] = ctx
    return line


def shown(given: object) -> str:
    """How a rejected value is told: containers by their size, so that no prompt is echoed."""
    match given:
        case dict():
            return f"<dict of {len(given)} items>"
        case list():
            return f"<list of {len(given)} items>"
        case _:
            return str(given)
