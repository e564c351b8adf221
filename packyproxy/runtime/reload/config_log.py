"""Log lines about the configuration; secrets are masked before they come here.

A line's facts are its extra attributes, so a host's own formatter can use them without parsing the text.
"""

import logging
from collections.abc import Sequence

from packyproxy.config.changes import Change
from packyproxy.errors import Problem

__all__ = [
    "log_changes",
    "log_listener_failed",
    "log_missing",
    "log_picked_up",
    "log_problems",
    "log_recovered",
]

_log = logging.getLogger("packyproxy")


def log_changes(changes: Sequence[Change], *, source: str, revision: int) -> None:
    """Log a configuration that came into force: a line per change, then one for all."""
    for change in changes:
        _log.info(
            "configuration: %s%s",
            change,
            " (needs a restart)" if change.needs_restart else "",
            extra={
                "event": "config_changed",
                "field": change.field,
                "old": change.old,
                "new": change.new,
                "needs_restart": change.needs_restart,
            },
        )
    _log.info(
        "configuration %s is in force, from %s: %s changed",
        revision,
        source,
        len(changes),
        extra={
            "event": "config_reloaded",
            "revision": revision,
            "source": source,
            "changes": len(changes),
        },
    )


def log_problems(problems: Sequence[Problem], *, source: str) -> None:
    """Log why what is on disk is not used: one line for all, then a line per problem."""
    _log.error(
        "%s cannot be used (%s): the configuration in force stays",
        source,
        "1 problem" if len(problems) == 1 else f"{len(problems)} problems",
        extra={"event": "config_invalid", "source": source, "problems": len(problems)},
    )
    for problem in problems:
        _log.error(
            "%s",
            problem,
            extra={
                "event": "config_problem",
                "field": problem.field,
                "code": problem.code,
                "line": problem.line,
            },
        )


def log_picked_up(source: str) -> None:
    """Log that there is no file, and whose settings are used instead."""
    _log.info(
        "no configuration file was found: in force is what %s says",
        source,
        extra={"event": "config_picked_up", "source": source},
    )


def log_missing(source: str) -> None:
    """Log that the file in force is not there any more."""
    _log.warning(
        "%s is gone: the configuration in force stays",
        source,
        extra={"event": "config_missing", "source": source},
    )


def log_recovered(source: str) -> None:
    """Log that what was complained of is mended, by saying again what is in force already."""
    _log.info(
        "%s is in order again and says what is in force",
        source,
        extra={"event": "config_recovered", "source": source},
    )


def log_listener_failed(error: Exception) -> None:
    """Log that somebody who wanted to hear of the configuration could not take it; only the error's type."""
    _log.error(
        "internal error: a listener failed with %s",
        type(error).__name__,
        extra={"event": "internal_error", "error": type(error).__name__},
    )
