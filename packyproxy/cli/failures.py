"""The error of a command that its user can understand."""

__all__ = ["CommandFailed"]


class CommandFailed(Exception):
    """A command could not do its work; its text is printed and the exit code is 1."""
