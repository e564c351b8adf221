"""The ASGI components over one runtime; each can be mounted alone.

``Mount("/llm", Gateway(runtime))``, with ``runtime = Runtime("config.yaml")`` of ``packyproxy.runtime``; the
host's lifespan is ``runtime.running``, once for all of them. ``PackyProxy`` is all but ``Validator``.
"""

from packyproxy.asgi.gateway import Gateway
from packyproxy.asgi.management.component import Management
from packyproxy.asgi.models import Models
from packyproxy.asgi.status import Status
from packyproxy.asgi.validator import Validator

__all__ = ["Gateway", "Management", "Models", "Status", "Validator"]
