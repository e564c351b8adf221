"""The tables of request fields, 1.2, 6.1 and 7.2: every field has its row, and every row is tried."""

import re
from typing import Any

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
from msgspec import Struct
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from packyproxy.wire.chat import ChatBody
from packyproxy.wire.messages import MessagesBody
from tests.wire_mapping.page import Row, names, refusals, section, spans, verdicts
from tests.wire_mapping.request_samples import FIELD_SAMPLES, FIELD_TABLES, LEAST_FIELDS
from tests.wire_mapping.sdks import needs_known_sdks
from tests.wire_mapping.trying import send


def rows(protocol: str) -> list[Row]:
    return section(FIELD_TABLES[protocol]).table()


def field_of(row: Row) -> str:
    """Return a row's first cell without what it says of the type."""
    return re.sub(r", (?:required|integer|string or|a string or|the older).*", "", row[0])


def flat(number: str) -> set[str]:
    return {
        name.partition(".")[0].removesuffix("[]") for row in section(number).table() for name in names(row[0])
    }


each_row = pytest.mark.parametrize(
    ("protocol", "row"),
    [
        pytest.param(
            protocol, row, id=f"{FIELD_TABLES[protocol]}-{spans(row[0])[0] if spans(row[0]) else row[0]}-{at}"
        )
        for protocol in FIELD_TABLES
        for at, row in enumerate(rows(protocol))
    ],
)


@pytest.mark.parametrize("protocol", FIELD_TABLES)
def test_every_row_is_tried(protocol: str) -> None:
    """The tests know all rows, and no row that is not there."""
    assert list(FIELD_SAMPLES[protocol]) == [field_of(row) for row in rows(protocol)]


@each_row
def test_what_a_row_says_comes_about(protocol: str, row: Row) -> None:
    """A field is emitted, dropped, warned of or refused just as its row says, in these words."""
    field = field_of(row)
    least = LEAST_FIELDS[protocol].get(field)
    found = [send(protocol, sample, least=least) for sample in FIELD_SAMPLES[protocol][field]]
    assert verdicts(row[1]) == set().union(*(each.verdicts for each in found))


@each_row
def test_quoted_refusals_are_verbatim(protocol: str, row: Row) -> None:
    """A text that a row quotes after 400 is what the client reads."""
    given = {send(protocol, sample).refusal for sample in FIELD_SAMPLES[protocol][field_of(row)]}
    assert set(refusals(row[1])) <= given


@each_row
def test_warnings_bear_the_name_of_the_field(protocol: str, row: Row) -> None:
    """The token of a warning is the name of the field that was lost."""
    given = {
        token
        for sample in FIELD_SAMPLES[protocol][field_of(row)]
        for token in send(protocol, sample).warnings
    }
    assert given <= {name.rpartition(".")[2] for name in names(row[0])}


@pytest.mark.parametrize(("number", "struct"), [("1.2", MessagesBody), ("6.1", ChatBody)])
def test_fields_that_are_read_have_rows(number: str, struct: type[Struct]) -> None:
    """What the code reads of a request stands on the page."""
    assert set(struct.__struct_fields__) <= flat(number)


@needs_known_sdks
@pytest.mark.parametrize(
    ("number", "parameters"),
    [
        ("1.2", MessageCreateParamsNonStreaming),
        ("6.1", CompletionCreateParamsNonStreaming),
        ("7.2", ResponseCreateParamsNonStreaming),
    ],
)
def test_fields_that_sdks_send_have_rows(number: str, parameters: Any) -> None:
    """For whatever the vendor's own SDK can send, the page says what becomes of it."""
    assert set(parameters.__required_keys__ | parameters.__optional_keys__) <= flat(number)
