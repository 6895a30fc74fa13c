"""``vllm`` on the path of the double's containers: takes the flags of ``vllm serve`` that matter.

The port is the one that the double gave this container: on one machine every pod cannot have 8000.
"""

from __future__ import annotations

import importlib
import os
import sys

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import run
from podman_llm.testing.runpod_containers import option, serving_of

PORT_VARIABLE = "PLLM_DOUBLE_PORT"
LOAD_VARIABLE = "PLLM_DOUBLE_LOAD_SECONDS"


def main() -> None:
    """Serve as asked. A check that cannot be loaded ends it, as with vLLM."""
    arguments = sys.argv[1:]
    digest = ""
    for name in option(arguments, "--middleware"):
        module, _, attribute = name.rpartition(".")
        digest = getattr(importlib.import_module(module), attribute)(None).digest
    serving = serving_of(arguments, digest)
    config = OpenAIDoubleConfig(
        served_names=serving.names,
        max_model_len=serving.max_model_len,
        load_seconds=float(os.environ.get(LOAD_VARIABLE, "0")),
        api_key_sha256=serving.key_sha256,
        tool_parser=serving.tool_parser,
        model_root=serving.model,
    )
    run(config, _tell, port=int(os.environ[PORT_VARIABLE]))


def _tell(line: str) -> None:
    sys.stdout.write(f"(APIServer pid={os.getpid()}) INFO {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
