"""Tables whose rules are told in words, 0.3, 1.4, 2.2, 2.3, 3.2, 4.8, 5.1 and 6.2-6.4: each row has a case, and no other."""

import pytest

from tests.wire_mapping.answer_cases import ANSWER_CASES
from tests.wire_mapping.page import Row, section
from tests.wire_mapping.request_cases import REQUEST_CASES

CASES = REQUEST_CASES | ANSWER_CASES


AT = {"4.8": 1}
"""Which of a section's tables it is, where not the first."""


def rows(number: str) -> list[Row]:
    return section(number).tables[AT.get(number, 0)]


@pytest.mark.parametrize("number", CASES)
def test_every_row_has_its_case(number: str) -> None:
    """The cases are the rows, in their order."""
    assert list(CASES[number]) == [row[0] for row in rows(number)]


@pytest.mark.parametrize(
    ("number", "row"),
    [pytest.param(number, row, id=f"{number}-{row[0][:50]}") for number in CASES for row in rows(number)],
)
def test_rows(number: str, row: Row) -> None:
    """What a row says is what the code does."""
    said, done = CASES[number][row[0]](row[1])
    assert said == done
