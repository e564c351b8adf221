"""Claude Code and the Codex CLI: they ask one question where their variables, options and files lead."""

import json
import os
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.stand_ins.world import complain, not_run, say

__all__ = ["QUESTION", "ask", "claude", "codex"]

QUESTION = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Say hello."}],
}
"""Of Claude Code."""

_ANSWER_SECONDS = 20.0


def ask(program: str, url: str, key: str, body: object) -> Any:
    """Ask a question; complain where the answer is an error, or does not come from a proxy of ours."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            if "x-packyproxy-provider" not in answer.headers:
                complain(program, f"{url} is not packyproxy, or does not say who has answered")
            return json.load(answer)
    except urllib.error.HTTPError as error:
        complain(program, f"{url} answered {error.code}: {error.read().decode()}")


def claude(program: str, words: Sequence[str]) -> int:
    """Ask where Claude Code's variables lead, and print the answer."""
    if words and words[0] in {"--version", "mcp", "config", "update"}:
        return not_run()
    base = os.environ.get("ANTHROPIC_BASE_URL", "")
    key = os.environ.get("ANTHROPIC_AUTH_TOKEN", "")
    if not base or not key:
        complain(program, "ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN are not both exported here")
    answer = ask(program, f"{base}/v1/messages", key, QUESTION)
    return say("".join(block.get("text", "") for block in answer["content"]))


def codex(program: str, words: Sequence[str]) -> int:
    """Ask where the Codex CLI's options and files lead, and print the answer."""
    if words and words[0] in {"--version", "login", "mcp"}:
        return not_run()
    settings = _settings(program, words)
    name = settings.get("model_provider", "openai")
    provider = settings.get("model_providers", {}).get(name, {})
    base = provider.get("base_url") or settings.get("openai_base_url")
    if base is None:
        complain(program, f"nothing says where the provider {name!r} is: it would ask OpenAI itself")
    key = provider.get("experimental_bearer_token", "any-value")
    if variable := provider.get("env_key"):
        key = os.environ.get(variable) or complain(program, f"${variable} is not set here")
    message = {"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}
    body = {
        "model": settings.get("model", "gpt-5"),
        "instructions": "You are a coding agent.",
        "input": [{"type": "message", **message}],
        "store": False,
    }
    answer = ask(program, f"{base}/responses", key, body)
    return say(
        "".join(part.get("text", "") for item in answer["output"] for part in item.get("content") or ())
    )


def _settings(program: str, words: Sequence[str]) -> dict[str, Any]:
    """Return what file, profile and options say together."""
    folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    file = folder / "config.toml"
    settings = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    given = list(pairwise(words))
    for profile in (value for option, value in given if option in {"-p", "--profile"}):
        file = folder / f"{profile}.config.toml"
        if not file.exists():
            complain(program, f"there is no profile {profile!r}: {file} does not exist")
        settings |= tomllib.loads(file.read_text("utf-8"))
    for setting in (value for option, value in given if option in {"-c", "--config"}):
        _override(settings, setting)
    return settings


def _override(settings: dict[str, Any], setting: str) -> None:
    path, _, text = setting.partition("=")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # as the Codex CLI does
    *tables, key = path.strip().split(".")
    for table in tables:
        settings = settings.setdefault(table, {})
    settings[key] = value
