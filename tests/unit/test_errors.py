"""The exceptions and failures say what happened, and never what was sent."""

import re

from packyproxy import errors
from packyproxy.errors import Failure, FailureKind, Problem


def test_a_failures_repr_shows_no_text() -> None:
    """Upstream text may quote the client's content, so it stays out of logs and tracebacks."""
    failure = Failure(kind=FailureKind.QUOTA, status=429, message="canary", param="canary")
    assert "Failure(kind='quota', status=429)" == repr(failure)


def test_a_problem_is_one_line() -> None:
    """A finding reads as place, fault and remedy; one about the whole file names the file."""
    problem = Problem(field="", code="missing", message="is empty", fix="add a provider")
    assert "config.yaml: is empty: add a provider" == str(problem)


def _drawn_tree() -> dict[str, str]:
    """Return each class in the drawing of the module's docstring with the one that it hangs under."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for indent, name in re.findall(
        r"^    ((?:│   |    )*(?:[├└]── )?)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE
    ):
        depth = len(indent) // 4
        above[depth:] = [name]
        parents[name] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_drawn_tree_is_that_of_the_classes() -> None:
    """The docstring draws every exception under its base."""
    classes = [it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, Exception)]
    assert {it.__name__: it.__base__.__name__ for it in classes if it.__base__} == _drawn_tree()
