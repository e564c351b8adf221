"""What is told to the service manager that started this process, as sd_notify(3) has it."""

import os
import socket
from contextlib import suppress
from typing import Final, Literal

__all__ = ["tell_service_manager"]

_MOST_SECONDS: Final = 5.0


def tell_service_manager(state: Literal["READY=1", "STOPPING=1"]) -> None:
    """Say how the service stands, if whoever started it has asked for that; nothing comes of a failure."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):  # nobody has, or by a socket of another kind
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.settimeout(_MOST_SECONDS)
        # An @ stands for the zero byte of a name that is in no folder.
        sending.sendto(state.encode(), f"\0{address[1:]}" if address[0] == "@" else address)
