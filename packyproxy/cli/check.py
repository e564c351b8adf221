"""``packyproxy check``: every problem of the configuration, or what it amounts to."""

from packyproxy.cli.banner import summary
from packyproxy.config import load_config
from packyproxy.config.yaml_file import find_file
from packyproxy.errors import ConfigError

__all__ = ["check"]


def check(path: str | None) -> int:
    """Validate the configuration and print the result; 0 when it is usable, also without an enabled provider.

    Raises:
        ConfigError: there is no file to check.
    """
    file = find_file(path)
    try:
        config = load_config(file)
    except ConfigError as error:
        for problem in error.problems:
            print(problem)
        count = len(error.problems)
        print(f"{file}: {count} problem{'s' if count > 1 else ''}")
        return 2
    print("\n".join(["the configuration is valid", *(f"  {line}" for line in summary(config))]))
    return 0
