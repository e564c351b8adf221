"""How every change of the configuration is saved: as one edit of its text, or not at all, with all reasons.

Whoever sends ``If-Match`` with a revision that is not the present one has lost: 409, and nothing is saved.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

from packyproxy.asgi.management.refusals import Code, Refusal
from packyproxy.asgi.management.request import ManagementRequest
from packyproxy.config import Config
from packyproxy.config.validate import validate
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.management_key import with_hashed_key
from packyproxy.runtime.reload.editing import EditText, NoFile, StaleRevision
from packyproxy.runtime.runtime import Runtime

__all__ = ["Merge", "block_of", "foresee", "not_an_object", "refused", "save"]

_Result = TypeVar("_Result")

_NOT_WRITTEN: Final = frozenset({"busy", "not_a_file", "not_writable", "unreadable"})
"""Codes of problems that a file has, not what was sent."""


class Merge(Protocol):
    """A function of ``config.merging``: brings what was sent into the text of a configuration."""

    def __call__(self, text: str, path: tuple[str, ...], value: object, *, in_force: Config) -> str:
        """Return the new text; raises ConfigError."""
        ...


async def save(runtime: Runtime, request: ManagementRequest, edit: EditText, *, code: Code) -> None:
    """Edit, validate and write the configuration, and bring it into force; a management key as its hash.

    Raises:
        Refusal: nothing was saved; ``code`` where the new configuration has problems, else ``conflict``.
    """

    def protected(text: str, config: Config) -> str:
        # Not only later, as with a file that somebody edits: the answer would have a mask and a revision
        # that soon stand for nothing.
        edited = edit(text, config)
        try:
            return with_hashed_key(edited)
        except ConfigError:  # an alias of something else: it stays as it is
            return edited

    await _or_refuse(partial(runtime.editor.change, if_match=request.if_match), protected, code)
    request.revision = runtime.editor.revision


async def foresee(runtime: Runtime, request: ManagementRequest, edit: EditText, *, code: Code) -> Config:
    """Return the configuration that ``save`` would bring into force; nothing is written.

    Raises:
        Refusal: as ``save`` does.
    """
    return await _or_refuse(partial(runtime.editor.preview, if_match=request.if_match), edit, code)


def refused(code: Code, problems: Sequence[Problem]) -> Refusal:
    """Return what is said of a change that is not saved."""
    said = str(problems[0]) if len(problems) == 1 else f"{len(problems)} problems"
    return Refusal(code, f"nothing was saved: {said}", problems=problems)


def not_an_object(field: str, fix: str) -> Problem:
    """Return what is wrong with a body, or a part of it, that should be an object."""
    return Problem(field=field, code="wrong_type", message="is not an object", fix=fix)


def block_of(body: object, name: str, *, code: Code) -> dict[str, object]:
    """Return a block of the configuration from a body that holds it, or one that wraps it in its name.

    Raises:
        Refusal: it is neither.
    """
    block = body
    if isinstance(body, dict) and name in body:
        if len(body) > 1:
            fix = f"send the block, or an object with {name} alone"
            message = f"more keys stand beside {name}"
            raise refused(code, [Problem(field="", code="unknown_key", message=message, fix=fix)])
        block = body[name]
    if not isinstance(block, dict):
        raise refused(code, [not_an_object(name, f'send {{"{name}": {{...}}}}, or what stands in there')])
    return block


async def _or_refuse(change: Callable[[EditText], Awaitable[_Result]], edit: EditText, code: Code) -> _Result:
    seen: list[str] = []

    def noted(text: str, config: Config) -> str:
        seen[:] = [text]
        return edit(text, config)

    try:
        return await change(noted)
    except (StaleRevision, NoFile) as error:
        raise Refusal("conflict", str(error)) from error
    except ConfigError as error:
        problems = error.problems
        is_whole = code == "invalid_config"
        if seen and not await asyncio.to_thread(_is_of_the_file, problems, seen[0], is_whole=is_whole):
            raise refused(code, problems) from error
        said = "; ".join(map(str, problems))
        raise Refusal("conflict", f"nothing was saved, the file stands in the way: {said}") from error


def _is_of_the_file(problems: Sequence[Problem], text: str, *, is_whole: bool) -> bool:
    """Tell whether problems are those of the file as it was, and not of what was to be made of it.

    Who sends the whole configuration replaces all of it that can be read.
    """
    if any(problem.code in _NOT_WRITTEN for problem in problems):
        return True
    document = read_text(text)
    if document.problems or is_whole:
        return document.problems == problems
    _, before = validate(document, source="")
    known = {(problem.field, problem.code) for problem in before}
    return all((problem.field, problem.code) in known for problem in problems)
