"""The ASGI components over one runtime; each can be mounted alone."""

from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.management.component import Management
from packyproxy.asgi.models import Models
from packyproxy.asgi.status import Status
from packyproxy.asgi.validator import Validator

__all__ = ["Gateway", "Management", "Models", "Status", "Validator"]
