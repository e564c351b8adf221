"""What ``serve`` keeps doing while it serves; how it starts and ends is tested with real processes."""

import logging

from packyproxy.cli.commands.serve import follow_logging
from packyproxy.config import Config


def test_the_log_follows_the_configuration() -> None:
    """``debug`` holds from the reload on."""
    found = []
    for debug in (True, False):
        follow_logging(Config(debug=debug))
        found.append(logging.getLogger("packyproxy").level)
    assert [logging.DEBUG, logging.INFO] == found
