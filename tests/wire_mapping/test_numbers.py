"""Every number on the page that the code has too: limits, waits, defaults, and the constants of the estimate."""

import re
from importlib import import_module
from typing import Any

import pytest

from packyproxy.config.schema import (
    DEFAULT_CONTEXT_WINDOW,
    Config,
    ModelConfig,
    ProviderConfig,
    StreamingConfig,
)
from packyproxy.providers.health import FAILURES_TO_OPEN, OPEN_SECONDS
from packyproxy.runtime.time_limits import TimeLimits
from packyproxy.runtime.upstream.engine import CONNECT_SECONDS
from packyproxy.translate import item_writer, token_count
from packyproxy.translate.contract import Capabilities
from packyproxy.translate.failure_signals import OPTIONAL_PARAMETERS
from packyproxy.translate.media_size import URL_FILE_TOKENS
from packyproxy.translate.responses import stream
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.heads import id_prefix
from packyproxy.wire.content_encoding import ENCODINGS, REQUEST_ENCODINGS
from packyproxy.wire.sse import MAX_FRAME_BYTES
from tests.wire_mapping.page import names, section, spans

MIB, KIB, HOUR = 1024 * 1024, 1024, 3600


def private(place: str) -> Any:
    """Return a constant that has no public name, from ``module:NAME``."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"packyproxy.{module}"), name)


SAID: list[tuple[str, str, float, Any]] = [
    # Section, what it says around the number, how many of the code's units one of it is, the number in the code.
    ("0.2", r"at most (\d+) removals per request", 1, private("providers.repair:_MAX_REMOVALS")),
    ("0.2", r"all providers that share it; (\d+) h", HOUR, private("providers.learned:_REASONING_SECONDS")),
    ("0.3", r"`req_` \+ (\d+) base62", 1, private("runtime.identity:_DIGITS")),
    ("0.3", r"each with (\d+) base62", 1, private("runtime.identity:_DIGITS")),
    ("0.3", r"answered last, for an? (hour)", HOUR, private("runtime.routing:_AFFINITY_SECONDS")),
    ("0.4", r"A frame over (\d+) MiB", MIB, MAX_FRAME_BYTES),
    ("0.5", r"(\d+) s \(`streaming.commit-deadline`\)", 1, StreamingConfig().commit_deadline),
    ("0.5", r"(\d+) s \(`streaming.keepalive-seconds`\)", 1, StreamingConfig().keepalive_seconds),
    ("0.6", r"over (\d+) MiB \(`max-body-bytes`\)", MIB, Config().max_body_bytes),
    ("0.6", r"After (\d+) s of that", 1, private("asgi.call:_DISCARD_SECONDS")),
    ("0.6", r"or (\d+) s of silence", 1, private("asgi.call:_SILENCE_SECONDS")),
    ("1.2", r"More than (\d+): 400", 1, private("translate.messages.request:_MAX_MESSAGES")),
    ("1.2", r"emit `max\((\d+), n\)`", 1, private("translate.request_fields:_MIN_OUTPUT_TOKENS")),
    ("1.5", r"up to (\d+) lines", 1, private("translate.messages.server_transcripts:_MAX_LINKS")),
    (
        "1.5",
        r"at most (\d+) characters",
        1,
        private("translate.messages.server_transcripts:_MAX_RESULT_CHARS"),
    ),
    ("1.7", r"Up to (three) `input_examples`", 3, private("translate.messages.tools:_MAX_EXAMPLES")),
    ("1.7", r"by their bytes \((\d+) MiB", MIB, private("translate.tool_memory:_MAX_MEMORY_BYTES")),
    ("1.9", r"by UTF-8 bytes / (\d+)", 1, private("translate.text_limits:_BYTES_PER_TOKEN")),
    ("1.9", r"from `max_tokens` (\d+) on", 1, private("translate.request_fields:_UNLIMITED_TEXT_TOKENS")),
    ("2.3", r"`enc` over (\d+) MiB", MIB, private("translate.reasoning:_MAX_ENCRYPTED_CHARS")),
    ("2.4", r"\((\d+) entries, least recently used out", 1, private("providers.learned:_MAX_REASONING")),
    ("2.4", r"least recently used out, (\d+) h\)", HOUR, private("providers.learned:_REASONING_SECONDS")),
    ("2.5", r"at most (\d+) characters", 1, private("translate.responses.items:_MAX_ID_CHARS")),
    ("4.1", r"At most (\d+) MiB may wait", MIB, item_writer.MAX_HELD_BYTES),
    ("4.1", r"at most (\d+) items", 1, item_writer.MAX_ITEMS),
    (
        "4.6",
        r"at most (\d+): `\{\"type\":\"web_search_result\"",
        1,
        private("translate.messages.web_search:_MAX_RESULTS"),
    ),
    ("4.6", r"at most (\d+) characters>", 1, private("translate.messages.web_search:_MAX_CITED_CHARS")),
    ("4.8", r"at most (\d+) characters>", 1, private("translate.messages.finish:_MAX_EXPLANATION_CHARS")),
    ("4.8", r"(\d+) s \(`streaming.idle-timeout`\)", 1, StreamingConfig().idle_timeout),
    (
        "4.10",
        r"arguments sent / ([\d.]+), rounded up",
        1,
        private("translate.text_limits:_LIKELY_BYTES_PER_TOKEN"),
    ),
    ("6.1", r"More than (\d+): 400", 1, private("translate.chat.request:_MAX_MESSAGES")),
    ("6.1", r"at most (\d+) sequences", 1, private("translate.chat.request:_MAX_STOP_SEQUENCES")),
    ("7.2", r"More than (\d+): 400", 1, private("translate.responses.items:_MAX_ITEMS")),
    ("7.3", r"Items of more than (\d+) MiB in all", MIB, stream.MAX_KEPT_BYTES),
    ("7.3", r"or with one over (\d+) KiB", KIB, private("wire.error_bodies:_MAX_OBJECT_BYTES")),
    ("7.4", r"may be silent for (\d+) s", 1, CompactProtocol.operation.silence_seconds),
    ("8.3", r"it opens after (\d+) such failures", 1, FAILURES_TO_OPEN),
    ("8.3", r"in a row, for (\d+) s, and then", 1, OPEN_SECONDS),
    ("8.3", r"was tried, (five) at most", 5, private("translate.failure_texts:_MOST_NAMED")),
    ("8.3", r"told to wait at most (\d+) s", 1, private("providers.repair:_LONGEST_WAIT_SECONDS")),
    ("8.3", r"retry once after (\d+) s", 1, private("providers.repair:_OVERLOAD_DELAY_SECONDS")),
    ("8.3", r"no connection within (\d+) s", 1, CONNECT_SECONDS),
    ("8.3", r"no headers within (\d+) s", 1, StreamingConfig().headers_timeout),
    ("8.3", r"no byte for (\d+) s", 1, StreamingConfig().idle_timeout),
    ("8.5", r"when the wait is over (\d+) s", 1, private("translate.failure_choice:_LONG_WAIT_SECONDS")),
    ("8.7", r"handshake \| (\d+) s; \d+ s for both", 1, CONNECT_SECONDS),
    (
        "8.7",
        r"handshake \| \d+ s; (\d+) s for both",
        1,
        CONNECT_SECONDS + private("runtime.upstream.engine:_TLS_SECONDS"),
    ),
    ("8.7", r"headers \| (\d+) s \(`streaming.headers-timeout`\)", 1, StreamingConfig().headers_timeout),
    ("8.7", r"from upstream \| (\d+) s \(`streaming.idle-timeout`\)", 1, StreamingConfig().idle_timeout),
    ("8.7", r"of a refusal \| (\d+) s", 1, private("runtime.upstream.response:_ERROR_BODY_SECONDS")),
    ("8.7", r"whole request \| (\d+) s \(`streaming.total-timeout`\)", 1, StreamingConfig().total_timeout),
    ("8.7", r"takes nothing \| (\d+) s", 1, TimeLimits().client_stall),
    ("8.7", r"not wanted any more \| (\d+) s", 1, private("asgi.call:_DISCARD_SECONDS")),
    ("8.7", r"(\d+) s without a byte", 1, private("asgi.call:_SILENCE_SECONDS")),
    ("9", r"\| base \| (\d+)", 1, token_count.BASE_TOKENS),
    ("9", r"non-empty `instructions` (\d+) \+ text", 1, token_count.INSTRUCTIONS_TOKENS),
    ("9", r"\| `message` \| (\d+) \+ text", 1, token_count.MESSAGE_TOKENS),
    ("9", r"`custom_tool_call` \| (\d+) \+ name", 1, token_count.CALL_TOKENS),
    ("9", r"their outputs \| (\d+) \+ text", 1, token_count.OUTPUT_TOKENS),
    ("9", r"any other item \(Responses\) \| (\d+) \+", 1, token_count.MESSAGE_TOKENS),
    ("9", r"tools, if any \| (\d+); each", 1, token_count.TOOLS_TOKENS),
    ("9", r"; each (\d+) \+ name", 1, token_count.TOOL_TOKENS),
    ("9", r"`web_search` (\d+);", 1, token_count.WEB_SEARCH_TOKENS),
    ("9", r"another built-in tool (\d+) \+", 1, token_count.TOOL_TOKENS),
    ("9", r"`text.format` \| (\d+) \+", 1, token_count.FORMAT_TOKENS),
    ("9", r"ceil\(width/(\d+)\)", 1, private("translate.media_size:_PATCH_PIXELS")),
    ("9", r"at most (\d+); ceil\(1\.2", 1, private("translate.media_size:_MAX_PATCHES")),
    ("9", r"at most (\d+) KiB of base64", KIB, private("translate.media_size:_HEADER_BASE64_BYTES")),
    ("9", r"the model made counts (\d+)", 1, private("translate.media_size:_UNKNOWN_IMAGE_TOKENS")),
    ("9", r"the model made counts (\d+)", 1, private("translate.responses.tokens:_MADE_IMAGE_TOKENS")),
    ("9", r"PDF in base64 \| (\d+) per page", 1, private("translate.media_size:_TOKENS_PER_PAGE")),
    ("9", r"decoded bytes, 1 to (\d+);", 1, private("translate.media_size:_MAX_PAGES")),
    ("9", r"max\(1500, bytes/(\d+)\)", 1, private("translate.media_size:_BYTES_PER_TOKEN")),
    ("9", r"file by URL \| (\d+)", 1, URL_FILE_TOKENS),
    ("9", r"one byte 1/([\d.]+)", 1, 1 / private("translate.token_count:_ONE_BYTE")),
    ("9", r"two bytes ([\d.]+),", 1, private("translate.token_count:_TWO_BYTES")),
    ("9", r"three ([\d.]+),", 1, private("translate.token_count:_THREE_BYTES")),
    ("9", r"four ([\d.]+),", 1, private("translate.token_count:_FOUR_BYTES")),
    ("9", r"more than (\d+) KB", KIB, private("translate.token_count:_COUNTED_WHOLE")),
    ("9", r"counted in (eight) slices", 8, private("translate.token_count:_SLICES")),
    ("10.1", r"each for (\d+) s at most", 1, private("runtime.model_list:_CATALOGUE_SECONDS")),
    ("10.2", r"(\d+) for a model that is not known", 1, private("registry.catalogue:UNKNOWN_CREATED")),
    ("10.3", r"`limit` 1 to (\d+)", 1, private("registry.listing:_LARGEST_LIMIT")),
    ("10.3", r"default (\d+);", 1, private("registry.listing:_DEFAULT_LIMIT")),
    ("10.4", r"at most (\d+) ids", 1, private("registry.discovery:_MOST_IDS")),
    ("10.4", r"ids of at most (\d+) characters", 1, private("registry.discovery:_LONGEST_ID")),
    ("12.1", r"printable ASCII of at most (\d+) characters", 1, private("asgi.call:_LONGEST_ECHO")),
    ("12.3", r"at most (\d+) KiB each", KIB, private("translate.codex_headers:_MAX_CHARS")),
    ("12.4", r"at most (\d+) bytes", 1, private("runtime.serving.exchange:_MAX_WARNINGS_BYTES")),
    ("12.4", r"(\d+) at most, keys masked", 1, private("translate.codex_headers:_MAX_RETURNED")),
]
"""Words for numbers stand for themselves: what they are multiplied with is their value."""


@pytest.mark.parametrize(
    ("number", "words", "unit", "real"), SAID, ids=[f"{each[0]}-{each[1]}" for each in SAID]
)
def test_numbers(number: str, words: str, unit: float, real: Any) -> None:
    """A number of the page is the code's, wherever the section says it."""
    found = re.findall(words, re.sub(r"\s+", " ", section(number).text))
    assert found
    assert [pytest.approx(real)] * len(found) == [
        float(each) * unit if re.match(r"[\d.]", each) else unit for each in found
    ]


def test_every_time_limit_is_checked() -> None:
    """Each row of 8.7 is among the numbers above."""
    checked = " ".join(words for number, words, *_ in SAID if number == "8.7")
    ends = [row[0].split()[-1].strip("(0.6)") for row in section("8.7").table()]
    assert [
        row[0] for row, end in zip(section("8.7").table(), ends, strict=True) if end and end not in checked
    ] == []


SWITCHES = {row[0]: row[1].strip("`") for row in section("0.2").table()}


def test_every_switch_has_its_row() -> None:
    """The switches are those of the capabilities, and what else is set for a provider or a model."""
    own = {"`reasoning_scope`", "`headers`", "`context_window`, per model", "`efforts`, per model"}
    assert set(SWITCHES) == {f"`{name}`" for name in Capabilities.__struct_fields__} | own


@pytest.mark.parametrize("name", Capabilities.__struct_fields__)
def test_defaults_of_switches(name: str) -> None:
    """The default of a switch is that of the code; ``probe`` stands for not knowing."""
    default = getattr(Capabilities(), name)
    told = {None: "probe", True: "true", False: "false"}.get(default, default)
    assert told == SWITCHES[f"`{name}`"]


def test_other_defaults() -> None:
    """So are those of the four that are no capabilities."""
    provider, model = ProviderConfig(kind="packycode", name="p"), ModelConfig(id="m")
    assert (
        {"`reasoning_scope`": "base URL", "`headers`": "none", "`context_window`, per model": "272000"},
        (None, 0, None, DEFAULT_CONTEXT_WINDOW),
    ) == (
        {name: SWITCHES[name] for name in ("`reasoning_scope`", "`headers`", "`context_window`, per model")},
        (
            provider.reasoning_scope,
            len(provider.headers),
            model.context_window,
            int(SWITCHES["`context_window`, per model"]),
        ),
    )


def test_optional_parameters() -> None:
    """What may be learned to be left out is the list of 0.2, and nothing else in the code."""
    listed = re.search(r"Optional: `([^`]+)`", section("0.2").prose)
    assert listed
    assert set(listed[1].split(", ")) == OPTIONAL_PARAMETERS


def test_what_is_never_removed() -> None:
    """Nothing that must stay is among them."""
    listed = re.search(r"Never removed this way: `([^`]+)`", section("0.2").prose)
    assert listed
    assert OPTIONAL_PARAMETERS.isdisjoint(listed[1].split(", "))


def test_encodings() -> None:
    """What is decoded, of requests and of answers, is what 0.6 and 0.4 list."""
    requests = re.search(r"Encodings accepted: identity, ([\w, ]+);", section("0.6").prose)
    answers = re.search(
        r"`content-encoding` of ([\w, ]+) or (\w+) is decoded", re.sub(r"\s+", " ", section("0.4").text)
    )
    assert requests
    assert answers
    assert (REQUEST_ENCODINGS - {"x-gzip"}, ENCODINGS - {"x-gzip"}) == (
        frozenset(requests[1].split(", ")),
        frozenset({*answers[1].split(", "), answers[2]}),
    )


@pytest.mark.parametrize(
    "prefix", names(re.findall(r"prefix of their type \((.+?)\)", section("2.5").prose)[0])
)
def test_prefixes_of_ids(prefix: str) -> None:
    """Each prefix that 2.5 lists is that of some type of item."""
    kinds = (
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
        "custom_tool_call_output",
        "web_search_call",
    )
    assert prefix in {id_prefix(kind) for kind in kinds}


def test_buffered_tools() -> None:
    """The tools whose arguments are held back by default are those of 4.7."""
    told = re.search(r"`compat.buffer-tools` \(default `\[(.+?)\]`\)", section("4.7").prose)
    assert told
    assert {name.strip('" ') for name in told[1].split(",")} == ProviderConfig(
        kind="packycode", name="p"
    ).buffer_tools
    assert spans(section("4.7").prose)
