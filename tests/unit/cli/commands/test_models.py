"""``packyproxy models``: the table of what clients can ask for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.cli.commands.models import models
from packyproxy.cli.failures import WrongUsage

WriteConfig = Callable[[str], Path]

CONFIG = """\
tppc:
  providers:
    - name: first
      enabled: true
      base-url: "https://a.example/v1"
      api-key: sk-a-key
      models: [gpt-5, {id: gpt-5-low, aliases: [quick]}]
    - name: second
      enabled: true
      base-url: "https://b.example/v1"
      api-key: sk-b-key
      defaults: {model: gpt-5, model-reasoning-effort: max, small-model: own}
      models: [{id: GPT-5, efforts: [low, high], aliases: [big]}, {id: own, context-window: 9000}, "new-*"]
    - {name: spare, models: [gpt-5, other]}
model-map: {"best*": gpt-5-high}
"""


def as_data(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    assert 0 == models(None, as_json=True, **options)
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_the_table(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of several providers is one row; below come the names that are in no list."""
    write_config(CONFIG)
    assert 0 == models(None)
    expected = """\
model  providers      efforts                  context  state     aliases
gpt-5  first, second  minimal low medium high  272000   enabled   quick (low), big
own    second         low medium high          9000     enabled
other  spare          low medium high          272000   disabled

name            by         stands for
best*           model-map  gpt-5-high
claude-*        first      gpt-5 at effort high
claude-*        second     GPT-5 at effort high
claude-*haiku*  first      gpt-5 at effort low
claude-*haiku*  second     own at effort high
"""
    assert expected == capsys.readouterr().out


def test_a_pattern_that_the_map_takes_is_not_shown_as_a_provider_s(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it would mean without the map never happens."""
    write_config(CONFIG.replace('"best*"', '"Claude-*haiku*"'))
    found = [(pattern["pattern"], pattern["origin"]) for pattern in as_data(capsys)["patterns"]]
    assert [("Claude-*haiku*", "model-map"), ("claude-*", "first"), ("claude-*", "second")] == found


def test_one_provider(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--provider`` the rows are as that provider serves them, whatever the case of its name."""
    write_config(CONFIG)
    found = as_data(capsys, provider="SECOND")
    assert [
        ("GPT-5", ["second"], ["low", "high"], [{"name": "big", "effort": None}]),
        ("own", ["second"], ["low", "medium", "high"], []),
    ] == [(row["id"], row["providers"], row["efforts"], row["aliases"]) for row in found["models"]]


def test_a_disabled_provider_shows_what_it_would_add(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for by name, all its models are listed, as disabled."""
    write_config(CONFIG)
    found = as_data(capsys, provider="spare")
    assert [("gpt-5", "disabled"), ("other", "disabled")] == [
        (row["id"], row["state"]) for row in found["models"]
    ]


def test_an_unknown_provider_is_refused_with_those_there_are(write_config: WriteConfig) -> None:
    """The names that would do are named, in the order in which they are asked."""
    write_config(CONFIG)
    with pytest.raises(WrongUsage, match=r"^no provider is called nope; there is: first, second, spare$"):
        models(None, provider="nope")


def test_without_providers_the_list_is_empty(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration without any provider has no models, and that is no error."""
    write_config("port: 8000\n")
    assert {"models": [], "patterns": [], "takes-any": []} == as_data(capsys)
    assert 0 == models(None)
    assert capsys.readouterr().out.startswith("there are no models, since no provider is configured")


def test_disabled_providers_have_no_other_names(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody is enabled no name stands for anything, and the models are listed all the same."""
    write_config("tppc: {providers: [{name: spare, models: [own]}]}\n")
    assert 0 == models(None)
    expected = [
        "model  providers  efforts          context  state",
        "own    spare      low medium high  272000   disabled",
    ]
    assert expected == capsys.readouterr().out.splitlines()


def test_what_a_running_proxy_adds_is_said(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids that nobody lists, and those still to be discovered, are not passed over in silence."""
    write_config(
        "packycode: {enabled: true, base-url: 'https://a.example/v1', credentials: {openai-api-key: sk-a}}\n"
        "discover-models: true\n"
    )
    assert 0 == models(None)
    printed = capsys.readouterr().out
    assert "any other id    packycode  passed on as it is\n" in printed
    assert printed.endswith("\n\ndiscover-models is on: a running proxy may list more\n")
