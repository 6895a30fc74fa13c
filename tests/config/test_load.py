from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podman_llm.config.load import Loaded, load
from podman_llm.errors import ConfigError


class Desk:
    """A home, a working directory, and a configuration in each place one can be."""

    def __init__(self, root: Path) -> None:
        self.home, self.cwd = root / "person", root / "work"
        self.user_dir = self.home / ".config" / "podman-llm"
        for directory in (self.user_dir, self.cwd):
            directory.mkdir(parents=True)
        self.environ = {"HOME": str(self.home)}

    def write(self, directory: Path, values: dict[str, Any], name: str = "pod_config.json") -> Path:
        path = directory / name
        path.write_text(json.dumps(values, indent=1), encoding="utf-8")
        return path

    def load(self, *, config: Path | None = None, **flags: Any) -> Loaded:
        named = {key.replace("__", "."): value for key, value in flags.items()}
        return load(flags=named, environ=self.environ, config_path=config, cwd=self.cwd)

    def refusal(self, values: dict[str, Any] | None = None, **flags: Any) -> ConfigError:
        self.write(self.cwd, values or {})
        with pytest.raises(ConfigError) as caught:
            self.load(**flags)
        return caught.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_strongest_place_wins_key_by_key(desk: Desk) -> None:
    ports = {"proxy_port": 5, "max_cache_size": 5, "runtime_seconds": 65, "template_id": "user"}
    desk.write(desk.user_dir, ports)
    desk.write(desk.cwd, {"proxy_port": 4, "max_cache_size": 4, "runtime_seconds": 64})
    named = desk.write(desk.cwd, {"proxy_port": 3, "max_cache_size": 3}, "other.json")
    desk.environ["MAX_CACHE_SIZE"] = "2"
    desk.environ["PODMAN_LLM_PROXY_PORT"] = "2"
    loaded = desk.load(config=named, proxy_port=1)
    settings = loaded.settings
    assert (settings.proxy_port, settings.max_cache_size) == (1, 2)
    assert (settings.runtime_seconds, settings.template_id) == (64, "user")
    assert str(loaded.origins["proxy_port"]) == "flag"
    assert str(loaded.origins["max_cache_size"]) == "environment MAX_CACHE_SIZE"
    assert str(loaded.origins["runtime_seconds"]) == "pod_config.json line 4"
    assert str(loaded.origins["template_id"]).startswith(str(desk.user_dir))
    assert str(loaded.origins["pod.image"]) == "default"


def test_a_named_file_beats_the_one_in_the_working_directory(desk: Desk) -> None:
    desk.write(desk.cwd, {"proxy_port": 4})
    named = desk.write(desk.cwd, {"proxy_port": 3}, "other.json")
    assert desk.load(config=named).settings.proxy_port == 3


def test_a_named_file_that_is_absent_is_an_error_and_an_unnamed_one_is_not(desk: Desk) -> None:
    assert desk.load().settings.proxy_port == 8000
    with pytest.raises(ConfigError, match=r"absent\.json: cannot be read"):
        desk.load(config=Path("absent.json"))


def test_a_flag_may_say_null(desk: Desk) -> None:
    desk.write(desk.cwd, {"pod": {"idle_seconds": 5}})
    assert desk.load(pod__idle_seconds=None).settings.pod.idle_seconds is None


def test_relative_paths_are_relative_to_the_place_that_names_them(desk: Desk) -> None:
    desk.write(desk.user_dir, {"ssl_cert": "cert.pem", "cache_dir": "~/answers"})
    desk.environ["SSL_KEY"] = "key.pem"
    settings = desk.load().settings
    assert settings.ssl_cert == desk.user_dir / "cert.pem"
    assert settings.ssl_key == desk.cwd / "key.pem"
    assert settings.cache_dir == Path.home() / "answers"


def test_the_cache_directory_is_the_users_when_nobody_names_one(desk: Desk) -> None:
    assert desk.load().settings.cache_dir == desk.home / ".cache/podman-llm/answers"


def test_an_unknown_key_is_answered_with_its_line_and_the_nearest_name(desk: Desk) -> None:
    error = desk.refusal({"nginx_port": 8000})
    assert "pod_config.json line 2: there is no setting nginx_port." in error.message
    assert "Did you mean `proxy_port`?" in error.message
    assert error.exit_code == 2


def test_a_wrong_value_is_answered_with_what_is_allowed(desk: Desk) -> None:
    error = desk.refusal({"proxy_port": "8000"})
    assert error.message == (
        'pod_config.json line 2: proxy_port = "8000": must be a whole number from 1 to 65535.'
    )


def test_every_wrong_value_is_said_at_once(desk: Desk) -> None:
    desk.environ["USE_HTTPS"] = "maybe"
    error = desk.refusal({"pod": {"clouds": ["MARS"]}, "gpu_type_id": 5})
    assert "gpu_type_id = 5: must be text or a list of text." in error.message
    assert 'pod.clouds = ["MARS"]: must be a list of "SECURE" or "COMMUNITY".' in error.message
    assert 'environment USE_HTTPS: use_https = "maybe": must be true or false.' in error.message


def test_true_is_no_number(desk: Desk) -> None:
    assert "max_cache_size = true" in desk.refusal({"max_cache_size": True}).message


def test_a_long_value_is_shown_in_part(desk: Desk) -> None:
    assert len(desk.refusal({"proxy_port": "x" * 500}).message) < 200


def test_a_secret_in_a_file_is_refused_without_being_shown(desk: Desk) -> None:
    error = desk.refusal({"RUNPOD_API_KEY": "rpa_geheim"})
    assert "Secrets have no place here" in error.message
    assert "geheim" not in error.message


def test_a_password_in_a_url_is_not_shown(desk: Desk) -> None:
    error = desk.refusal({"proxy_port": "https://me:geheim@host"})
    assert "geheim" not in error.message


def test_an_unknown_variable_of_ours_is_an_error(desk: Desk) -> None:
    desk.environ["PODMAN_LLM_POD__IMGE"] = "x"
    assert "`PODMAN_LLM_POD__IMAGE`" in desk.refusal().message


def test_an_unknown_model_is_answered_with_the_nearest_ids(desk: Desk) -> None:
    error = desk.refusal({"modelStoreId": "qwen3-coder-30b"})
    assert error.exit_code == 2
    assert "`qwen3-coder-30b-a3b`" in error.message


def test_any_hugging_face_id_is_a_model(desk: Desk) -> None:
    assert desk.load(modelStoreId="some/Model-7B").settings.modelStoreId == "some/Model-7B"


def test_settings_that_contradict_each_other_are_named_with_their_origin(desk: Desk) -> None:
    error = desk.refusal({"use_https": True, "proxy": {"host": "0.0.0.0"}})
    assert "ssl_cert (default): use_https needs it" in error.message
    assert "proxy.host (pod_config.json line 4)" in error.message


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ({"models": {}}, "[0].name must be given: text that matches"),
        ({"name": "a", "models": {"m": 1}}, "[0].models.m = 1: must be text."),
        (
            {"name": "a", "models": {}, "kind": "x"},
            '[0].kind = "x": must be "openai" or "bedrock".',
        ),
        (
            {"name": "a", "models": {}, "abilities": ["fly"]},
            '[0].abilities[0] = "fly": must be "to',
        ),
        ({"name": "a", "models": {}, "context": 0}, "[0].context = 0: must be a whole number of"),
        ({"name": "a", "models": {}, "base_url": 5}, "[0].base_url = 5: must be text or null."),
        ({"name": "a", "modles": {}}, "no setting fallback.backends[0].modles. Did you mean `mod"),
    ],
)
def test_what_is_wrong_within_a_list_of_objects_is_told_as_on_top(
    desk: Desk, backend: dict[str, Any], told: str
) -> None:
    message = desk.refusal({"fallback": {"backends": [backend]}}).message
    assert message.startswith("pod_config.json line 3: ")
    assert told in message


def test_each_object_of_a_list_is_named_by_its_place(desk: Desk) -> None:
    well = {"name": "a", "models": {"*": "m"}}
    broken = desk.refusal({"fallback": {"backends": [well, well | {"contxt": 1}]}})
    assert "fallback.backends[1].contxt. Did you mean `context`?" in broken.message
    contrary = desk.refusal({"fallback": {"backends": [well, well]}})
    assert "fallback.backends[1].name (pod_config.json line 3): 'a' is taken" in contrary.message


@pytest.mark.parametrize("field", ["api_key", "key_name"])
def test_a_key_within_a_list_of_objects_is_not_shown(desk: Desk, field: str) -> None:
    backend = {"name": "a", "models": {"*": "m"}, field: "sk-geheim"}
    message = desk.refusal({"fallback": {"backends": [backend]}}).message
    assert "`key_name` names the variable" in message
    assert "geheim" not in message


@pytest.mark.parametrize("what", ["link", "directory"])
def test_what_stands_in_the_place_of_the_file_is_not_taken_for_no_file(
    tmp_path: Path, what: str
) -> None:
    place = tmp_path / "pod_config.json"
    if what == "link":
        place.symlink_to(tmp_path / "nowhere.json")
    else:
        place.mkdir()
    with pytest.raises(ConfigError, match=r"pod_config\.json: cannot be read"):
        load(flags={}, cwd=tmp_path, environ={})
