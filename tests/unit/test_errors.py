"""The exceptions and failures say what happened, and never what was sent."""

from packyproxy.errors import Failure, FailureKind, Problem


def test_a_failures_repr_shows_no_text() -> None:
    """Upstream text may quote the client's content, so it stays out of logs and tracebacks."""
    failure = Failure(kind=FailureKind.QUOTA, status=429, message="canary", param="canary")
    assert "Failure(kind='quota', status=429)" == repr(failure)


def test_a_problem_is_one_line() -> None:
    """A finding reads as place, fault and remedy; one about the whole file names the file."""
    problem = Problem(field="", code="missing", message="is empty", fix="add a provider")
    assert "config.yaml: is empty: add a provider" == str(problem)
