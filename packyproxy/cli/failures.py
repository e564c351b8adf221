"""The errors of a command that its user can understand."""

__all__ = ["CommandFailed", "WrongUsage"]


class CommandFailed(Exception):
    """A command could not do its work; its text is printed and the exit code is 1."""


class WrongUsage(Exception):
    """The command line names something that is not there; its text is printed and the exit code is 2."""
