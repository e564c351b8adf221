"""``python -m packyproxy``: the same as the command ``packyproxy``."""

import sys

from packyproxy.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
