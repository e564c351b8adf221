"""The words in which the Responses API refuses a request.

Checks raise `Refused`; `validation.check_request` turns it into the answer. Texts and codes follow public
reports of the real ones.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

__all__ = [
    "Refusal",
    "Refused",
    "check_keys",
    "check_length",
    "check_type",
    "field",
    "invalid",
    "invalid_value",
    "listing",
    "missing",
    "unknown",
]

_ARTICLES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
}


class Refusal(Struct, frozen=True):
    """An HTTP answer with a JSON body."""

    status: int
    body: Mapping[str, Any]

    @classmethod
    def error(
        cls, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> "Refusal":
        """Return the public API's form."""
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        return cls(status, {"error": error})

    @classmethod
    def detail(cls, detail: str, *, status: int = 400) -> "Refusal":
        """Return the codex back end's form."""
        return cls(status, {"detail": detail})


class Refused(Exception):
    """A check failed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("refused")
        self.refusal = refusal


def invalid(message: str, param: str | None, code: str | None = "invalid_value") -> Refused:
    """Return a refusal in the public API's form, to be raised."""
    return Refused(Refusal.error(message, param=param, code=code))


def missing(param: str) -> Refused:
    """Say that a field is missing."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def unknown(param: str) -> Refused:
    """Say that a field does not exist."""
    return invalid(f"Unknown parameter: '{param}'.", param, "unknown_parameter")


def invalid_value(value: object, allowed: Iterable[str], param: str) -> Refused:
    """Say that a value is none of those that exist."""
    return invalid(f"Invalid value: '{value}'. Supported values are: {listing(allowed)}.", param)


def listing(values: Iterable[str]) -> str:
    """Return values in the API's way of listing them: two are joined without a comma."""
    quoted = [f"'{value}'" for value in values]
    head, last = ", ".join(quoted[:-1]), quoted[-1]
    return f"{head}{',' if len(quoted) > 2 else ''} and {last}" if head else last


def check_type(value: object, expected: type | tuple[type, ...], param: str) -> None:
    """Refuse a value of another JSON type; ``bool`` is no integer."""
    kinds = expected if isinstance(expected, tuple) else (expected,)
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return
    got = "null" if value is None else _ARTICLES[type(value)]
    names = [_ARTICLES[kind] for kind in kinds]
    expectation = names[0] if len(names) == 1 else f"one of {', '.join(names[:-1])} or {names[-1]}"
    text = f"Invalid type for '{param}': expected {expectation}, but got {got} instead."
    raise invalid(text, param, "invalid_type")


def field(holder: Mapping[str, Any], name: str, expected: type | tuple[type, ...], where: str) -> Any:
    """Return a required field, checked for its type; ``where`` is the path of its holder."""
    param = f"{where}.{name}" if where else name
    if name not in holder:
        raise missing(param)
    check_type(holder[name], expected, param)
    return holder[name]


def check_keys(holder: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Refuse fields that do not exist."""
    for key in holder:
        if key not in known:
            raise unknown(f"{where}.{key}" if where else key)


def check_length(text: str, param: str, longest: int = 64) -> None:
    """Refuse an empty string and one that is too long."""
    if not text:
        start = f"Invalid '{param}': empty string. Expected a string with minimum length 1"
        raise invalid(f"{start}, but got an empty string instead.", param, "empty_string")
    if len(text) > longest:
        start = f"Invalid '{param}': string too long. Expected a string with maximum length {longest}"
        raise invalid(
            f"{start}, but got a string with length {len(text)} instead.", param, "string_above_max_length"
        )
