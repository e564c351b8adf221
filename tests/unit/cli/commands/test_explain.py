"""``packyproxy explain``: how a name is read, who is asked, and what they would get."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.cli.commands.explain import explain
from packyproxy.cli.failures import CommandFailed

WriteConfig = Callable[[str], Path]

CONFIG = """\
packycode:
  enabled: true
  base-url: "https://a.example/v1"
  credentials: {openai-api-key: sk-a-key}
tppc:
  providers:
    - name: b
      enabled: true
      base-url: "https://b.example/v1"
      api-key: sk-b-key
      priority: 2
      weight: 3
      models: [gpt-5-codex, {id: own, aliases: [mine]}]
      defaults: {model: gpt-5-codex, model-reasoning-effort: medium}
    - {name: spare}
model-map: {"only-b": b/own}
"""
ALONE = [("order", "no other enabled provider serves it")]
PINNED = [("order", "the provider is pinned: no other one is asked")]


def as_data(model: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert 0 == explain(None, model, as_json=True)
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def facts(printed: str) -> list[tuple[str, str]]:
    """Return the lines between the table of candidates and the request."""
    lines = printed.split("\n\n")[2].splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_whole_answer(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading, order, words and the request follow each other."""
    write_config(CONFIG)
    assert 0 == explain(None, "claude-opus-4-1[1m]")
    head, _, request = capsys.readouterr().out.partition("what b would get:\n")
    expected = """\
how claude-opus-4-1[1m] is read:
  b          [1m] is left out; defaults.model of b is gpt-5-codex; gpt-5-codex is a model of b
  packycode  [1m] is left out; defaults.model of packycode is gpt-5; gpt-5 is a model of packycode

who is asked, and for what:
     provider   model        effort  priority  weight  context
  1  b          gpt-5-codex  medium  2         3       272000
  2  packycode  gpt-5        high    0         1       272000

  effort    where the client asks for none
  order     higher priority first; among equals fill-first: in the order of the configuration
  failover  to the next one, when one fails before its answer begins, or is resting
  affinity  a session stays with the provider that serves it, while that is well

"""
    assert expected == head
    assert "gpt-5-codex" == json.loads(request)["model"]


def test_the_request_is_a_real_translation_of_placeholders(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """System, user text and a tool stand where real ones would."""
    write_config(CONFIG)
    request = as_data("mine", capsys)["request"]
    user = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "<text of the user>"}],
    }
    assert ("own", "<system text>", [user], "a_tool", {"effort": "medium"}, False) == (
        request["model"],
        request["instructions"],
        request["input"],
        request["tools"][0]["name"],
        request["reasoning"],
        request["store"],
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mine", [("effort", "where the client asks for none"), *ALONE]),
        ("mine-low", [("effort", "the name holds it, so it counts whatever the client asks for"), *ALONE]),
        ("packycode/gpt-5", [("effort", "where the client asks for none"), *PINNED]),
        ("only-b", [("effort", "where the client asks for none"), *PINNED]),
    ],
)
def test_what_decides_is_said_in_words(
    model: str, expected: list[tuple[str, str]], write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """One provider has no order; a pin, in the name or in the map, has no other provider."""
    write_config(CONFIG)
    assert 0 == explain(None, model)
    assert expected == facts(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("round-robin", "they take turns at being first"),
        ("weighted-round-robin", "they take turns at being first, each as often as its weight says"),
        ("least-latency", "the one that has answered fastest lately"),
    ],
)
def test_strategies_are_said_in_words(
    strategy: str, expected: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each strategy has its sentence; without affinity none is promised."""
    write_config(f"{CONFIG}routing: {{strategy: {strategy}, session-affinity: false}}\n")
    assert 0 == explain(None, "gpt-5-codex")
    said = dict(facts(capsys.readouterr().out))
    assert f"higher priority first; among equals {strategy}: {expected}" == said["order"]
    assert "affinity" not in said


def test_as_json(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the candidates in order, each with its effort and its reasons."""
    write_config(CONFIG)
    printed = as_data("gpt-5-codex(high)", capsys)
    assert ("gpt-5-codex(high)", False, "fill-first", True) == (
        printed["requested"],
        printed["is-pinned"],
        printed["strategy"],
        printed["session-affinity"],
    )
    assert ["b", "packycode"] == [candidate["provider"] for candidate in printed["candidates"]]
    assert {
        "provider": "b",
        "model": "gpt-5-codex",
        "effort": "high",
        "is-effort-named": True,
        "priority": 2,
        "weight": 3,
        "context-window": 272_000,
        "reasons": ["suffix: effort high", "gpt-5-codex is a model of b"],
    } == printed["candidates"][0]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("b/nope", "404 model_not_found: model: b/nope is not served by b; nearest: "),
        ("spare/own", "404 model_not_found: model: spare/own names a provider that is disabled; nearest: "),
    ],
)
def test_an_unknown_name_is_answered_as_a_client_would_be(
    model: str, said: str, write_config: WriteConfig
) -> None:
    """The text of the 404 is the error, with the nearest names."""
    write_config(CONFIG)
    with pytest.raises(CommandFailed) as error:
        explain(None, model)
    assert str(error.value).startswith(said)


def test_without_an_enabled_provider_the_next_step_is_named(write_config: WriteConfig) -> None:
    """There is nobody to ask, and a command tells more."""
    write_config("packycode: {enabled: false}\n")
    with pytest.raises(CommandFailed, match="no provider is enabled; packyproxy check tells more"):
        explain(None, "gpt-5")
