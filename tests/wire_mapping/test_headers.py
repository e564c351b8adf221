"""Routes and headers, 0.1 and 12: what is served, read, sent upstream and sent to the client, and the tokens of warnings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.models import Models
from packyproxy.asgi.routes import Route
from packyproxy.asgi.status import Status
from packyproxy.config import ProviderConfig
from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.providers.provider import Provider
from packyproxy.providers.request import responses_request
from packyproxy.translate.codex_headers import answer_headers, upstream_headers
from packyproxy.translate.contract import Target
from packyproxy.translate.protocols import PROTOCOLS
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.search import SearchProtocol
from tests.wire_mapping.block_samples import BLOCKS, CHAT_LOSSES, become
from tests.wire_mapping.page import names, section, spans, verdicts
from tests.wire_mapping.request_samples import FIELD_SAMPLES
from tests.wire_mapping.tool_samples import TOOLS, samples_of
from tests.wire_mapping.trying import asked, send, sent

PACKAGE = Path(__file__).parents[2] / "packyproxy"
TARGET = Target(model="m", scope="", efforts=(), provider_scope="0123456789")


def sources(*places: str) -> str:
    """Return the text of modules of the package; ``*`` stands for all of a folder."""
    return "\n".join(path.read_text("utf-8") for place in places for path in sorted(PACKAGE.glob(place)))


def served() -> set[tuple[str, str]]:
    """Return method and path of every route that clients of models use."""
    runtime: Any = None
    routes: list[Route] = [
        route for component in (Gateway, Models, Status) for route in component(runtime).routes
    ]
    return {(method, route.path) for route in routes for method in (route.methods or ("any",))}


def told_routes() -> Iterator[tuple[str, str]]:
    for row in section("0.1").table():
        for span in spans(row[0]):
            method, _, path = span.rpartition(" ")
            if method:
                yield method, path.replace("{id}", "*")
            elif row[0].startswith("anything else below"):
                yield "any", f"{path}*"


def test_routes() -> None:
    """The routes of 0.1 are those that are served; whoever operates the proxy may also ask theirs by HEAD."""
    extra = {("HEAD", path) for path in ("/healthz", "/readyz", "/metrics")}
    assert set(told_routes()) == served() - extra


@pytest.mark.parametrize(("make", "number"), [(CompactProtocol, "7.4"), (SearchProtocol, "7.5")])
def test_routes_of_unary_protocols(make: Any, number: str) -> None:
    """Their sections name the path, the path upstream, and what is said where nobody has it."""
    text = re.sub(r"\s+", " ", section(number).text)
    protocol = make()
    missing = protocol.missing
    assert [True] * 3 == [
        f"`POST {protocol.path}`" in text,
        f"`{{base-url}}{protocol.operation.path}`" in text,
        missing in text,
    ]


def test_every_protocol_has_its_row() -> None:
    """No protocol is served that 0.1 does not name."""
    told = {path for _, path in told_routes()}
    protocols = [make() for make in PROTOCOLS.values()]
    assert {path for each in protocols for path in (each.path, each.counting_path) if path} <= told


READERS = sources(
    "asgi/access.py", "asgi/body.py", "asgi/call.py", "asgi/dispatch.py", "asgi/gateway.py",
    "translate/session.py", "translate/codex_headers.py",
)  # fmt: skip


def read_headers() -> set[str]:
    """Return the headers that the code of the surfaces asks for by name."""
    asked_for = re.findall(r'headers(?:\.get\(|\[)"([a-z_-]+)"', READERS)
    looked_up = re.findall(r'"([a-z_-]+)" in (?:self\.)?headers', READERS)
    named = re.search(r"_SURE_HEADER = (.+)\n_OTHER_HEADERS = (.+)", sources("translate/session.py"))
    assert named
    return {*asked_for, *looked_up, *re.findall(r'"(.+?)"', named[0])}


def test_headers_that_are_read() -> None:
    """12.1 names the headers that are read, and says of the others that they are ignored."""
    rows = section("12.1").table()
    used = {name.partition(": ")[0] for row in rows if "ignored" not in row[1] for name in names(row[0])}
    ignored = {name for row in rows if "ignored" in row[1] for name in names(row[0])}
    assert (read_headers(), set()) == (used, {name for name in ignored if f'"{name}"' in READERS})


def client_headers(text: str) -> list[str]:
    """Return headers that a client may send, one for each name or pattern of a list."""
    return [name.replace("*", "something") for span in spans(text)[:1] for name in re.split(r",\s+", span)]


def upstream(client: dict[str, str], **more: Any) -> dict[str, str]:
    """Return the headers that the upstream is sent for a client's."""
    config = ProviderConfig(
        kind="packycode",
        name="p",
        enabled=True,
        base_url="https://x.example/v1",
        api_key=Secret("sk-1"),
        **more,
    )
    request = responses_request(
        Provider.from_config(config),
        b"{}",
        prompt_cache_key="k",
        request_id="req_1",
        version="0",
        client_headers=upstream_headers(client, TARGET),
    )
    return dict(request.headers)


@pytest.mark.parametrize("name", client_headers(section("12.2").text))
def test_headers_that_never_travel(name: str) -> None:
    """Whatever client sends one of them, its value does not reach the upstream."""
    assert "leak" not in upstream({name: "leak", "originator": "codex_exec"}).values()


def test_headers_that_are_sent() -> None:
    """12.3 lists all that is sent, and what of it is a Codex CLI's only."""
    rows = section("12.3").table()[:-1]
    codex = {name for row in rows if "of a Codex CLI only" in row[1] for name in names(row[0])}
    every = {name for row in rows for name in names(row[0])}
    client = {**dict.fromkeys(every - {"authorization"}, "v"), "x-codex-turn-state": "pp1.0123456789.v"}
    assert (every - codex, every) == (set(upstream({})), set(upstream(client)))


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0][:30]) for row in section("12.3").table()[:6]])
def test_values_that_are_sent(row: tuple[str, str]) -> None:
    """Our own values are those of the row."""
    told = {"<version>": "0", "<provider key>": "sk-1"}
    values = {
        re.sub(r"<[\w ]+>", lambda found: told[found[0]], span)
        for span in spans(row[1])
        if "version>" in span or "key>" in span or "<" not in span
    }
    given = upstream({})
    assert {given[name] for name in names(row[0])} <= values | {"k", "req_1"}


def test_the_operators_headers_win() -> None:
    """They win over everything but the key."""
    given = upstream({}, headers=HeaderMap({"user-agent": "x", "authorization": "y"}))
    assert ("x", "Bearer sk-1") == (given["user-agent"], given["authorization"])


WRITERS = (
    "asgi/call.py",
    "asgi/dispatch.py",
    "runtime/serving/*.py",
    "translate/failure_choice.py",
    "translate/failures.py",
)


def covers(told: set[str], name: str) -> bool:
    """Tell whether a name, or a pattern that it fits, is among those told."""
    return any(re.fullmatch(re.escape(each).replace(r"\*", ".*"), name) for each in told)


def test_headers_that_clients_get() -> None:
    """What the code writes stands in 12.4 or 0.4; of the rest HTTP itself speaks."""
    written = set(re.findall(r'\(?b"([a-z][a-z0-9-]+)", ', sources(*WRITERS)))
    stream = {span.partition(": ")[0] for span in spans(section("0.4").items[1])}
    rows = [
        row for row in section("12.4").tables[0] if "never" not in row[1] and "not forwarded" not in row[1]
    ]
    told = {name for row in rows for name in names(row[0])} | stream | {"x-client-request-id"}
    assert {name for name in written if not covers(told, name)} == {"content-length", "allow"}


def test_upstream_headers_that_clients_get() -> None:
    """Of the upstream's headers a client is given those of 12.4, and none that it says are not forwarded."""
    rows = section("12.4").tables[0]
    kept = next(names(row[0]) for row in rows if row[0].startswith("`x-codex-*`"))
    lost = [name.partition(" ")[0] for row in rows if "forwarded" in row[1] for name in names(row[0])]
    sample = {name.replace("*", "primary-used-percent"): "1" for name in (*kept, *lost)}
    given = {name for name, _ in answer_headers(sample, TARGET)}
    assert given == {name.replace("*", "primary-used-percent") for name in kept}


def test_turn_state_is_marked() -> None:
    """It goes out with the mark that 12.4 shows, and comes back without it."""
    row = next(row for row in section("12.4").tables[0] if "turn-state" in row[0])
    mark = next(span for span in spans(row[1]) if span.startswith("pp1"))
    marked = mark.replace("<scope>", TARGET.provider_scope).replace("<v>", "v")
    returned = upstream_headers({"originator": "x", "x-codex-turn-state": marked}, TARGET)
    assert ((("x-codex-turn-state", marked),), "v") == (
        answer_headers({"x-codex-turn-state": "v"}, TARGET),
        returned["x-codex-turn-state"],
    )


TOKENS = {row[0]: set(names(row[1])) for row in section("12.4").tables[1]}


def given_by_fields(protocol: str) -> set[str]:
    rows = FIELD_SAMPLES[protocol].values()
    return {token for samples in rows for sample in samples for token in send(protocol, sample).warnings}


def given_by_messages() -> set[str]:
    blocks = {token for samples in BLOCKS.values() for one in samples for token in become(one).warnings}
    tools = {
        token for row in TOOLS for sample in samples_of(row) for token in send("messages", sample).warnings
    }
    only_code = {"name": "ls", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}
    change = {"type": "tool_addition", "tool": {"type": "mcp_tool_reference", "name": "x"}}
    toolset = {"type": "tool_removal", "tool": {"type": "mcp_toolset_reference", "name": "x"}}
    history = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": [change, toolset]},
        {"role": "assistant", "content": "b"},
    ]
    _, rest = sent("messages", asked(tools=[only_code], messages=history))
    return blocks | tools | set(rest)


def given_by_chat() -> set[str]:
    return {
        token
        for messages in CHAT_LOSSES.values()
        for message in messages
        for token in sent("chat", asked(messages=[{"role": "user", "content": "hi"}, message]))[1]
    }


def test_tokens_of_warnings() -> None:
    """Each surface gives the tokens that 12.4 lists for it, and all of them."""
    common = TOKENS["all"]
    assert {
        "Messages": given_by_fields("messages") | given_by_messages(),
        "Chat": given_by_fields("chat") | given_by_chat(),
        "Responses": given_by_fields("responses"),
    } == {surface: TOKENS[surface] | common for surface in ("Messages", "Chat", "Responses")}


def test_no_other_token_is_in_the_code() -> None:
    """Every literal that the translation appends to its warnings is listed."""
    found = set()
    for path in sorted((PACKAGE / "translate").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"warnings\.append$", ast.unparse(node.func)):
                found |= {each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)}
    found -= {"advisor_", "", "mcp_toolset_reference"} - set().union(*TOKENS.values())
    assert found <= set().union(*TOKENS.values())


def test_rows_warn_by_listed_tokens() -> None:
    """A token that some row of the page quotes after warn is listed."""
    every = set().union(*TOKENS.values())
    quoted = {
        name
        for number in ("1.2", "1.4", "1.5", "1.7", "6.1", "6.2", "7.2")
        for row in section(number).table()
        if "warn" in verdicts(row[-1])
        for name in re.findall(r"\bwarn `(\w+)`", row[-1])
    }
    assert quoted <= every
