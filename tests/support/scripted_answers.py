"""Answers of every kind that an upstream gives, and what is asked for them."""

from pathlib import Path
from typing import Any

from packyproxy.testing import Call, Citation, Message, Reasoning, Search, Stream, Turn, rate_limits_event
from packyproxy.testing.upstream.fake_upstream import Answer

__all__ = ["ANSWERS", "RECORDED", "RESPONSES_TOOLS", "TURNS"]

_CORPUS = Path(__file__).parents[1] / "corpus" / "upstream"
_URL = "https://news.example/python"

RESPONSES_TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, "strict": False}
    for name in ("weather", "clock")
] + [{"type": "custom", "name": "shell"}, {"type": "web_search"}]
"""The tools that the answers call."""

TURNS: dict[str, Turn] = {
    "text": Turn("A somewhat longer answer — in several pieces ✓."),
    "empty": Turn(),
    "two-messages": Turn(["First message.", "Second message."]),
    "reasoning": Turn("Done.", reasoning=["First I look.", "Then I answer."]),
    "hidden-reasoning": Turn("Done.", reasoning=[]),
    "raw-reasoning": Turn(output=[Reasoning(text="Hm, let me see."), Message("Seen.")]),
    "call": Turn(calls=[Call("weather", {"city": "Zürich", "days": 3})]),
    "call-without-arguments": Turn(calls=[Call("clock", "")]),
    "parallel-calls": Turn(
        "I look.", calls=[Call("weather", {"city": "Bern"}), Call("clock", {"zone": "UTC"})]
    ),
    "mixed-calls": Turn(
        calls=[Call("weather", {"city": "Bern"}), Call("clock", {"zone": "UTC"})], interleaves=True
    ),
    "custom-call": Turn(calls=[Call("shell", 'ls -l "a b"', kind="custom")]),
    "refusal": Turn(refusal="I cannot help with that."),
    "text-and-refusal": Turn(output=[Message("Partly."), Message(refusal="But not that.")]),
    "incomplete": Turn("Half an ans", incomplete="max_output_tokens"),
    "filtered": Turn("Half an ans", incomplete="content_filter"),
    "search": Turn(
        "Python is out.",
        searches=[Search("python news", sources=[_URL])],
        citations=[Citation(_URL, "Python news", "Python")],
    ),
    "everything": Turn(
        output=[
            Reasoning(["Search first."]),
            Search("python news", sources=[_URL]),
            Message("Found.", [Citation(_URL, "Python news")]),
            Reasoning(["Now look."]),
            Message("I look.", phase="commentary"),
            Call("weather", {"city": "Bern"}),
            Call("shell", "ls", kind="custom"),
        ]
    ),
    "no-final-output": Turn("Text.", calls=[Call("clock")], has_final_output=False),
    "notices": Turn("Text.", notices=[rate_limits_event()]),
}

RECORDED: dict[str, Stream] = {
    f"recorded-{path.stem}": Stream(path.read_bytes()) for path in sorted(_CORPUS.glob("*.sse"))
}
"""Streams as they were recorded, also those that end badly."""

_BROKEN = ("error-event", "failed", "no-completed")

ANSWERS: dict[str, Answer] = {
    **TURNS,
    **{name: stream for name, stream in RECORDED.items() if not name.endswith(_BROKEN)},
}
"""All that end well."""
