"""The tables of errors, 8.1 to 8.6: every cell of every row against what is recognised, done and told."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from packyproxy.asgi.routes import MethodNotAllowed
from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.errors import AccessDenied, Failure, FailureKind, InvalidRequest, NoProvider, Tried
from packyproxy.providers.health import FAILURES_TO_OPEN, OPEN_SECONDS
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import unknown_model
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_table import FAILURES, LIMITS, FailureRule, Repeat, Usefulness
from packyproxy.translate.failures import (
    classify_response,
    exhausted_response,
    failure_response,
    internal_error_response,
    refusal_response,
    transport_failure,
)
from packyproxy.translate.responses.compact import CompactProtocol
from tests.wire_mapping.page import Row, section, spans

NOW = 1_893_553_445.0
KNOWN_MODELS = Registry.build(
    [
        ProviderConfig(
            kind="packycode", name="p", enabled=True, models=(ModelConfig(id="a"), ModelConfig(id="b"))
        )
    ]
)
UPSTREAM, OURS = section("8.3").tables[:2]

KINDS: dict[str, set[str]] = {
    "context": {"context_overflow"},
    "`invalid_encrypted_content`": {"invalid_reasoning"},
    "a message with `Instructions": {"instructions_refused"},
    "`reasoning.effort` is refused": {"effort_refused"},
    "an optional parameter": {"unsupported_parameter"},
    "any other 400": {"invalid_request"},
    "`cyber_policy`": {"content_refused"},
    "401": {"credentials_rejected"},
    "any other 403": {"forbidden"},
    "`codex_access_restricted`": {"client_restricted"},
    "`usage_not_included`": {"usage_not_included"},
    "402": {"billing"},
    "`model_not_found`": {"model_not_found"},
    "any other 404": {"wrong_url"},
    "no such endpoint": {"not_offered"},
    "413": {"too_large"},
    "408": {"request_timeout"},
    "409": {"conflict"},
    "`usage_limit_reached`": {"quota"},
    "any other 429": {"rate_limit"},
    "529": {"overloaded"},
    "500": {"server_error"},
    "504": {"gateway_timeout"},
    "any other 503": {"unavailable"},
    "any other 4xx": {"upstream_refused"},
    "3xx": {"redirect"},
    "name not found": {"unreachable"},
    "TLS": {"tls"},
    "no connection": {"connect_timeout"},
    "no headers": {"headers_timeout", "idle_timeout"},
    "an answer that ends early": {"truncated", "cancelled"},
    "an answer that breaks": {"bad_stream"},
    "the whole request": {"total_timeout"},
}
"""Which failures each row is about, by how its first cell begins."""


def start_of(row: Row) -> str:
    """Return the beginning by which a row is known."""
    return next(start for start in KINDS if row[0].startswith(start))


def rules(row: Row) -> list[FailureRule]:
    return [FAILURES[FailureKind(kind)] for kind in sorted(KINDS[start_of(row)])]


each_row = pytest.mark.parametrize("row", [pytest.param(row, id=row[0][:40]) for row in UPSTREAM])


def signals() -> Iterator[Any]:
    """Yield what each row recognises: statuses, codes and messages of its first cell, as failures."""
    for row in UPSTREAM:
        start, cell = start_of(row), row[0]
        plain = re.sub(r"`[^`]+`", "", cell)
        statuses = [
            status
            for first, last in re.findall(r"\b([1-5](?:\d\d|xx))(?:-(\d\d\d))?\b", plain)
            for status in range(int(first.replace("xx", "18")), int(last or first.replace("xx", "18")) + 1)
        ]
        if "under 4" in plain or "within" in plain:  # words about the statuses of other rows, or of seconds
            statuses = [status for status in statuses if f"other {status}" in plain]
        for status in statuses:
            yield pytest.param(start, classify_response(status, {}, b""), id=f"{status}")
        under = 429 if "429" in start else statuses[0] if statuses else 400
        for span in spans(cell):
            if re.fullmatch(r"[a-z_]+\*?", span):
                error: dict[str, Any] = {"error": {"code": span.replace("*", "x")}}
                if span == "slow_down" and "429" not in start:
                    under = 503
            elif " " in span:
                error = {"detail": f"Well, {span} it is"}
            else:
                continue
            failure = classify_response(under, {}, msgspec.json.encode(error))
            yield pytest.param(start, failure, id=f"{under}-{span}")


def test_every_failure_has_its_row() -> None:
    """The rows are about all kinds of failure, each about its own."""
    known = [start_of(row) for row in UPSTREAM]
    kinds = [kind for start in known for kind in sorted(KINDS[start])]
    assert (sorted(KINDS), sorted(FailureKind)) == (sorted(known), sorted(kinds))


@pytest.mark.parametrize(("start", "failure"), list(signals()))
def test_signals_are_recognised(start: str, failure: Failure) -> None:
    """A status, a code or a message that a row names leads to that row."""
    assert failure.kind in KINDS[start]


@each_row
def test_handling(row: Row) -> None:
    """What is repeated, and whether the next provider is asked, is what the second cell says."""
    said = row[1]
    told = {
        Repeat.ONCE_AFTER_SHORT_WAIT: "if told to wait at most 5 s, wait and retry once" in said,
        Repeat.ONCE_AFTER_DELAY: "retry once after 1 s" in said,
        Repeat.ONCE: re.match(r"retry once(?: on a new connection)?, next", said) is not None,
    }
    repeat = next((kind for kind, is_told in told.items() if is_told), Repeat.NEVER)
    wanted = [(repeat, said.endswith("next"), said.endswith("give up")) for _ in rules(row)]
    assert wanted == [(rule.repeat, rule.fails_over, not rule.fails_over) for rule in rules(row)]


@each_row
def test_rest(row: Row) -> None:
    """How long the provider rests, and whether the breaker counts the failure, is what the third cell says."""
    length = row[2].removesuffix("+").strip()
    seconds = {"1 h": 3600.0, "60 s": 60.0, "5 s": 5.0}.get(length)
    rests = seconds is not None or length == "1 s ×2"
    assert rests or length in {"-", "until the key changes"}
    wanted = (rests, seconds, row[2].endswith("+"))
    assert [wanted] * len(rules(row)) == [
        (rule.cooldown, rule.cooldown_seconds, rule.trips_breaker) for rule in rules(row)
    ]


@each_row
def test_what_anthropic_clients_are_told(row: Row) -> None:
    """Status and type of the fourth cell are those of the table."""
    found = re.match(r"(\d{3}) (\w+)", row[3])
    assert found
    assert {(int(found[1]), found[2])} == {rule.anthropic for rule in rules(row)}


@each_row
def test_what_openai_clients_are_told(row: Row) -> None:
    """Status, type and code of the fifth cell are those of the table, and so is whether the upstream's own is shown."""
    found = re.fullmatch(r"(\d{3}) (\w+)(?: `(\w+)`)?(, own code)?", row[4])
    assert found, row[4]
    wanted = (int(found[1]), found[2], found[3], found[4] is not None)
    assert {wanted} == {(*rule.openai, rule.keeps_code) for rule in rules(row)}


@each_row
def test_quoted_texts(row: Row) -> None:
    """A text that a row quotes is in what the client reads."""
    for kind in KINDS[start_of(row)]:
        failure = (
            transport_failure(FailureKind(kind), "<host>")
            if kind == "tls"
            else Failure(kind=FailureKind(kind))
        )
        answer = failure_response(failure, "anthropic", request_id="req_1", now=NOW)
        text = msgspec.json.decode(answer.body)["error"]["message"]
        assert [span for span in spans(row[3]) if span not in text] == []


def shown(answer: Any) -> tuple[int, str, str | None, str]:
    error = msgspec.json.decode(answer.body)["error"]
    has_param = " param" * bool(error.get("param"))
    return answer.status, error["type"], f"{error.get('code')}{has_param}", error["message"]


def resting(*kinds: str, reset_in: float = 2.0) -> list[Tried]:
    failures = [Failure(kind=FailureKind(kind), reset_at=NOW + reset_in) for kind in kinds]
    return [
        Tried(provider=f"p{at}", failure=failure, was_asked=False, available_at=NOW + reset_in)
        for at, failure in enumerate(failures)
    ]


def exhausted(tried: list[Tried], family: Family) -> Any:
    return exhausted_response(
        tried,
        family,
        request_id="req_1",
        now=NOW,
        input_tokens_estimate=1,
        context_window=10,
        max_tokens=None,
    )


def refused(error: InvalidRequest | AccessDenied | NoProvider) -> Any:
    return lambda family: refusal_response(error, family, "req_1")


OWN: dict[str, list[Any]] = {
    "no or a wrong client key": [refused(AccessDenied())],
    "not let in by the `authorize` of the host": [refused(AccessDenied(is_by_host=True))],
    "malformed JSON, a bad field": [refused(InvalidRequest("must be 1", field="n"))],
    "an unknown model": [refused(unknown_model("x", KNOWN_MODELS))],
    "method not allowed": [refused(MethodNotAllowed(["POST"]))],
    "no provider is enabled": [refused(NoProvider()), refused(NoProvider(is_managed=True))],
    "every provider rests for a limit": [
        lambda family: exhausted(resting("quota", "quota"), family),
        lambda family: exhausted(resting("rate_limit"), family),
    ],
    "every provider rests for want of credit": [lambda family: exhausted(resting("billing"), family)],
    "every provider rests, for whatever else": [
        lambda family: exhausted(resting("quota", "overloaded"), family)
    ],
    "a bug": [lambda family: internal_error_response(family, "req_1")],
}


def test_every_failure_of_ours_is_tried() -> None:
    """The second table has a row for each way in which we ourselves refuse; of a client that is gone only a log knows."""
    assert [*OWN, "the client is gone"] == [row[0] for row in OURS]


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in OURS[:-1]])
def test_what_we_refuse_ourselves(row: Row) -> None:
    """Status, type, codes and texts are those of the row."""
    for family, cell in (("anthropic", row[1]), ("openai", row[2])):
        told = [shown(answer(family)) for answer in OWN[row[0]]]
        found = re.match(r"(\d{3}) (\w+)", cell)
        assert found
        assert {(int(found[1]), found[2])} == {each[:2] for each in told}
        said = " ".join(f"{each[2]} {each[3]}" for each in told)
        assert [span for span in spans(cell) if span.strip() not in said and "should-retry" not in span] == []


def test_a_missing_endpoint_is_judged() -> None:
    """A 404 counts as a missing endpoint only where not every provider has it."""
    missing = classify_response(404, {}, b"")
    assert CompactProtocol().judge(missing).kind is FailureKind.NOT_OFFERED


def quotes(number: str) -> list[str]:
    """Return what a section sets apart as quoted, each on one line."""
    found = re.findall(r"(?:^> .+\n)+", section(number).text, re.MULTILINE)
    return [" ".join(re.sub(r"^> ", "", each, flags=re.MULTILINE).split()) for each in found]


def test_order_of_usefulness() -> None:
    """Which of several failures is told follows the order that the page quotes."""
    words = quotes("8.3")[0].split(" > ")
    ranks = {
        "context": Usefulness.CONTEXT,
        "request, content, size": Usefulness.REQUEST,
        "permission": Usefulness.PERMISSION,
        "quota, no credit (the earliest reset first)": Usefulness.QUOTA,
        "rate limit": Usefulness.RATE_LIMIT,
        "overloaded": Usefulness.OVERLOADED,
        "timeout": Usefulness.TIMEOUT,
        "other": Usefulness.OTHER,
        "unknown model": Usefulness.MODEL,
        "what only the operator can mend": Usefulness.LASTING,
    }
    assert sorted(Usefulness, reverse=True) == [ranks[word] for word in words]


def test_the_sentence_about_several_providers() -> None:
    """The example is what a client reads of three providers that failed so."""
    wanted = quotes("8.3")[1]
    silent = Tried(
        provider="a", failure=transport_failure(FailureKind.IDLE_TIMEOUT, "h"), available_at=NOW + 7
    )
    moment = 1_893_553_445.0
    resting_quota = Tried(
        provider="b",
        failure=Failure(kind=FailureKind.QUOTA, reset_at=moment),
        was_asked=False,
        available_at=moment,
    )
    gone = Tried(provider="c", failure=transport_failure(FailureKind.UNREACHABLE, "h"), available_at=moment)
    answer = exhausted_response(
        [silent, resting_quota, gone],
        "openai",
        request_id="req_1",
        now=moment - 7,
        input_tokens_estimate=1,
        context_window=10,
        max_tokens=None,
    )
    assert wanted == shown(answer)[3]


def test_the_breaker() -> None:
    """It opens after so many failures, for so long."""
    assert (
        f"opens after {FAILURES_TO_OPEN} such failures in a row, for {OPEN_SECONDS:g} s"
        in section("8.3").prose
    )


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (r"(\d+) s for a quota", ["quota"]),
        (r"(\d+) s for a rate limit", ["rate_limit"]),
        (r"(\d+) s for an overload or a 503", ["overloaded", "unavailable"]),
        (r"(\d+) h where no credit is left", ["billing"]),
    ],
)
def test_waits_that_no_upstream_named(words: str, kinds: list[str]) -> None:
    """What a client is told to wait then stands in 8.5."""
    found = re.search(words, section("8.5").prose)
    assert found
    seconds = float(found[1]) * (3600 if " h " in words else 1)
    assert [seconds] * len(kinds) == [FAILURES[FailureKind(kind)].implied_wait_seconds for kind in kinds]


def test_quota_message() -> None:
    """The message of a used-up quota is the one that 8.5 quotes."""
    quoted = next(
        span for row in section("8.5").table() for span in spans(row[1]) if span.startswith("usage limit")
    )
    failure = Failure(kind=FailureKind.QUOTA, plan_type="<plan_type>", reset_at=1_893_553_445.0)
    tried = [Tried(provider="<provider>", failure=failure)]
    answer = exhausted_response(
        tried,
        "openai",
        request_id="req_1",
        now=1_893_553_445.0 - 2 * 3600 - 300,
        input_tokens_estimate=1,
        context_window=10,
        max_tokens=None,
    )
    assert quoted == shown(answer)[3]


def quota_headers(family: Family) -> dict[str, str]:
    failure = Failure(kind=FailureKind.QUOTA, reset_at=NOW + 30)
    answer = exhausted([Tried(provider="p", failure=failure)], family)
    return {name.decode(): value.decode() for name, value in answer.headers}


def test_quota_headers() -> None:
    """A quota has the headers of 8.5 in both families, and neither has more."""
    rows = {row[0]: row[1] for row in section("8.5").table()}
    names = ["retry-after", "x-should-retry"]
    first, *others = spans(next(cell for cell in rows if "requests-limit" in cell))
    anthropic = [first, *(first.replace("-limit", other) for other in others)]
    openai = [
        span.partition(": ")[0] for span in spans(next(cell for cell in rows if cell.startswith("OpenAI")))
    ]
    assert ([*names, *anthropic], [*names, *openai]) == (
        list(quota_headers("anthropic")),
        list(quota_headers("openai")),
    )


@pytest.mark.parametrize("family", ["anthropic", "openai"])
@pytest.mark.parametrize("kind", FailureKind)
def test_should_retry(kind: FailureKind, family: Family) -> None:
    """Clients are told to come back on the statuses that 8.5 lists, and not to where only the operator can mend."""
    rule = next(row[1] for row in section("8.5").table() if row[0] == "`x-should-retry`")
    listed = re.search(r"`true` on ([\d, and]+),", rule)
    assert listed
    statuses = {int(status) for status in re.findall(r"\d{3}", listed[1])}
    answer = exhausted(
        [Tried(provider="p", failure=Failure(kind=kind, reset_at=NOW + 30 if kind in LIMITS else None))],
        family,
    )
    told = dict(answer.headers).get(b"x-should-retry", b"").decode()
    wait = FAILURES[kind].implied_wait_seconds if kind not in LIMITS else 30
    is_long = wait is not None and wait > 60
    wanted = "false" if FAILURES[kind].is_lasting or is_long else "true" if answer.status in statuses else ""
    assert wanted == told


@pytest.mark.parametrize("kind", FailureKind)
def test_types_inside_a_stream(kind: FailureKind) -> None:
    """In a stream a timeout is told as an ``api_error``, everything else as it is (8.6)."""
    answer = failure_response(Failure(kind=kind), "anthropic", request_id="req_1", now=NOW, in_stream=True)
    usual = FAILURES[kind].anthropic[1]
    assert ("api_error" if usual == "timeout_error" else usual) == shown(answer)[1]


def test_shapes() -> None:
    """The two shapes of 8.1 are those of the two families, key by key."""
    anthropic, openai = map(msgspec.json.decode, section("8.1").fences[0].text.strip().splitlines())
    failure = Failure(kind=FailureKind.RATE_LIMIT)
    told = {
        family: msgspec.json.decode(exhausted([Tried(provider="p", failure=failure)], family).body)
        for family in ("anthropic", "openai")
    }
    assert (keys(anthropic), keys(openai)) == (keys(told["anthropic"]), keys(told["openai"]))


def keys(value: Any) -> Any:
    """Return an object without its free texts."""
    return {
        name: keys(each) if isinstance(each, dict) else each if name in {"type", "code", "param"} else "…"
        for name, each in value.items()
    }
