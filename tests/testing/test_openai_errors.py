"""Refusals in the words of vLLM."""

from __future__ import annotations

from podman_llm.testing.openai_errors import bad_request, malformed, problem, shown, unknown_model


def test_a_bad_request_ends_with_the_parameter_and_its_value() -> None:
    body = bad_request("Too much.", "max_tokens", 9).body["error"]
    assert body == {
        "message": "Too much. (parameter=max_tokens, value=9)",
        "type": "BadRequestError",
        "param": "max_tokens",
        "code": 400,
    }


def test_an_unknown_model_is_told_the_names_that_exist() -> None:
    refused = unknown_model("gpt-4o", ("a", "b"))
    assert refused.status == 404
    assert refused.body["error"]["message"].endswith("Valid aliases: a, b.")


def test_only_ten_problems_are_told_and_the_rest_counted() -> None:
    problems = [problem("missing", f"body.{n}", "Field required", None) for n in range(12)]
    lines = malformed(problems).body["error"]["message"].splitlines()
    assert lines[0] == "12 validation errors:"
    assert lines[-1] == "  ...and 2 more errors"
    assert len(lines) == 12


def test_rejected_containers_are_told_by_size() -> None:
    assert shown({"a": 1}) == "<dict of 1 items>"
    assert shown([1, 2]) == "<list of 2 items>"
    assert shown(None) == "None"
