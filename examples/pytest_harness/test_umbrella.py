"""Test an application that asks a model: no key, no port, no sleep, and no answer that varies.

Run: pytest examples/pytest_harness     (the fixtures come with packyproxy)
"""

import pytest
from anthropic import Anthropic, RateLimitError
from umbrella import advice

from packyproxy.testing import Call, FakeUpstream, Fault, Turn


def test_the_tool_is_used(packy_upstream: FakeUpstream, packy_anthropic_sync: Anthropic) -> None:
    """What the model asks for is looked up, and told to it."""
    packy_upstream.script = [Turn(calls=[Call("weather", {"city": "Oslo"})]), "Take one."]
    assert advice(packy_anthropic_sync, "Do I need an umbrella?") == "Take one."
    assert packy_upstream.last_request.last_text == "rain in Oslo"


def test_no_tool_is_needed(packy_upstream: FakeUpstream, packy_anthropic_sync: Anthropic) -> None:
    """The model may also just answer; it was offered the tool."""
    packy_upstream.script = "Never."
    assert advice(packy_anthropic_sync, "Do I need an umbrella at home?") == "Never."
    assert packy_upstream.last_request.tool_names == ["weather"]


def test_a_limit_is_reported(packy_upstream: FakeUpstream, packy_anthropic_sync: Anthropic) -> None:
    """Whatever a provider can do wrong can be played."""
    packy_upstream.script = Fault.rate_limit()
    with pytest.raises(RateLimitError):
        advice(packy_anthropic_sync, "Do I need an umbrella?")
