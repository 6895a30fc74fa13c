"""A person's machine with an account at the made-up RunPod, for commands that ask the provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from podman_llm.cli.main import cli
from podman_llm.config.models import ProviderSettings
from podman_llm.core import naming
from podman_llm.core.pod import Candidate
from podman_llm.core.sight import Created
from podman_llm.errors import PodmanLLMError
from podman_llm.host.clock import SystemClock
from podman_llm.providers.base import CreateRequest
from podman_llm.providers.runpod.provider import RunpodProvider
from podman_llm.state.owner import Owner, load_or_create_owner
from podman_llm.state.paths import StatePaths
from podman_llm.testing.runpod_server import RunpodServer
from tests.samples import SPEC

KEY = "rpa_double"
PLACE = Candidate("NVIDIA L4", "L4", 1, "SECURE", None, 0.44, 24, "HIGH")


@dataclass
class Account:
    """``run`` is the command line as its user would call it, without a process of its own."""

    double: RunpodServer
    paths: StatePaths

    @property
    def owner(self) -> Owner:
        self.paths.ensure()
        return load_or_create_owner(self.paths, token=lambda length: b"7" * length)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--state-dir", str(self.paths.root), *arguments])

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output + str(result.exception)
        return json.loads(result.stdout)

    def fails(self, *arguments: str) -> PodmanLLMError:
        result = self.run(*arguments)
        assert isinstance(result.exception, PodmanLLMError), result.output + str(result.exception)
        return result.exception

    def rent(self, owner: str, **marks: str) -> tuple[str, str]:
        """A pod as podman-llm of that owner makes them: its id and its name."""
        number = len(self.double.bill().pods)
        deadline = SystemClock().wall() + 3600
        name = naming.make(owner=owner, model="a-model", token=f"{number:012d}", deadline=deadline)
        own = {naming.OWNER_MARK: owner, naming.INTENT_MARK: name, naming.MODEL_MARK: "a-model"}
        return self.make(name, {**own, **marks}), name

    def make(self, name: str, env: Mapping[str, str]) -> str:
        settings = ProviderSettings(
            api_base=self.double.url, endpoint_template=self.double.url + "/{pod_id}-{port}"
        )
        provider = RunpodProvider(settings, KEY, SystemClock())
        spec = replace(SPEC, min_cuda=None)
        made = provider.create(CreateRequest(name, spec, PLACE, dict(env), None))
        assert isinstance(made, Created), made
        return made.pod.pod_id


def write_config(directory: Path, url: str, **settings: Any) -> None:
    provider = {"api_base": url, "endpoint_template": url + "/{pod_id}-{port}"}
    content = {"provider": provider, **settings}
    (directory / "pod_config.json").write_text(json.dumps(content))
