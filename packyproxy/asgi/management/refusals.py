"""What the management API says when it does not do what it was asked: one code, one status, one shape."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from packyproxy.errors import PackyProxyError, Problem

__all__ = ["STATUSES", "Code", "ProblemBody", "Refusal", "RefusalBody"]

Code = Literal[
    "invalid_json",
    "invalid_query",
    "unauthorized",
    "forbidden",
    "banned",
    "not_found",
    "method_not_allowed",
    "conflict",
    "too_large",
    "unsupported_media_type",
    "invalid_packycode",
    "invalid_tppc",
    "invalid_config",
    "invalid_value",
    "internal_error",
]

STATUSES: Final[Mapping[Code, int]] = MappingProxyType(
    {
        "invalid_json": 400,
        "invalid_query": 400,
        "unauthorized": 401,
        "forbidden": 403,
        "banned": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "conflict": 409,
        "too_large": 413,
        "unsupported_media_type": 415,
        "invalid_packycode": 422,
        "invalid_tppc": 422,
        "invalid_config": 422,
        "invalid_value": 422,
        "internal_error": 500,
    }
)

_MOST_PROBLEMS: Final = 1000
"""A body of a mebibyte can have fifty thousand mistakes, of which nobody wants six mebibytes of answer."""


class ProblemBody(Struct, frozen=True, kw_only=True):
    """One finding about what was sent."""

    field: str
    """Path in the configuration, with list indexes."""
    code: str
    message: str
    fix: str

    @classmethod
    def of(cls, problem: Problem) -> "ProblemBody":
        """Return a finding as it is sent."""
        return cls(field=problem.field, code=problem.code, message=problem.message, fix=problem.fix)


class RefusalBody(Struct, frozen=True, kw_only=True):
    """The body of every answer that is no success."""

    error: Code
    message: str
    problems: tuple[ProblemBody, ...] | UnsetType = UNSET
    """With 422: everything that was found, up to a thousand findings."""


class Refusal(PackyProxyError):
    """A management request that is not done; nothing was saved or applied.

    Args:
        code: decides the status.
        message: for a person; never quotes what was sent.
        problems: everything that was found wrong with it.
        headers: to go with the answer.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.code: Code = code
        self.status = STATUSES[code]
        self.headers = tuple(headers)
        self.body = RefusalBody(
            error=code,
            message=message,
            problems=tuple(map(ProblemBody.of, problems[:_MOST_PROBLEMS])) if self.status == 422 else UNSET,
        )
