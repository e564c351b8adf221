"""LiteLLM's proxy as a peer: in an environment of its own, with one worker, set up as its manual advises.

It serves on uvicorn with uvloop and httptools, which is its default, without callbacks, database or debug
output. It demands a master key, so requests show one, and calls nobody but the upstream.
"""

import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from rig.processes import ServerProcess, free_port, started_server
from rig.workloads import UPSTREAM_CONTENT

__all__ = ["HOW_TO_INSTALL", "MARKS", "started", "version"]

HOW_TO_INSTALL = "python -m venv VENV && VENV/bin/pip install 'litellm[proxy]'; then --peer litellm=VENV"

MARKS: Mapping[str, tuple[bytes, bytes]] = MappingProxyType(
    {"chat": (b'"content":"', b"data: [DONE]"), "responses": (UPSTREAM_CONTENT, b"data: [DONE]")}
)
"""What its events with content and the end of its answers look like, where that is not as with the proxy."""

_READY_SECONDS = 120.0

_CONFIG = """\
model_list:
  - {{model_name: claude-opus-4-8, litellm_params: {parameters}}}
  - {{model_name: gpt-5, litellm_params: {parameters}}}
"""
_PARAMETERS = '{{model: openai/responses/gpt-5, api_base: "{url}", api_key: sk-benchmark}}'
"""``openai/responses/`` is how one says that Chat requests, too, go to the upstream's Responses API."""

_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "True",
    # Nothing is fetched from the network.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
}


def version(venv: Path) -> str:
    """Return which version is installed."""
    program = "from importlib.metadata import version; print(version('litellm'))"
    asked = subprocess.run(
        [venv / "bin" / "python", "-c", program], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()


@asynccontextmanager
async def started(venv: Path, upstream_url: str, *, client_key: str) -> AsyncIterator[ServerProcess]:
    """Run it in front of an upstream for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        config, port = Path(folder) / "config.yaml", free_port()
        config.write_text(_CONFIG.format(parameters=_PARAMETERS.format(url=upstream_url)))
        command = [
            *(str(venv / "bin" / "litellm"), "--config", str(config)),
            *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        ]
        async with started_server(
            command,
            port,
            environment={**_ENVIRONMENT, "LITELLM_MASTER_KEY": client_key},
            ready_path="/health/liveliness",
            ready_seconds_limit=_READY_SECONDS,
        ) as process:
            yield process
