"""All operations of the management API, family by family."""

from packyproxy.asgi.management.audit import audit_operations
from packyproxy.asgi.management.blocks import packycode_operations, tppc_operations
from packyproxy.asgi.management.models import model_operations
from packyproxy.asgi.management.openapi import openapi_operation
from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.providers import provider_operations
from packyproxy.asgi.management.settings import settings_operations
from packyproxy.asgi.management.status import status_operations
from packyproxy.asgi.management.usage import usage_operations
from packyproxy.asgi.management.whole_config import config_operations
from packyproxy.runtime.runtime import Runtime

__all__ = ["management_operations"]


def management_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return everything that can be done below ``/v0/management``; the order is the documentation's."""
    operations = (
        *packycode_operations(runtime),
        *tppc_operations(runtime),
        *provider_operations(runtime),
        *model_operations(runtime),
        *usage_operations(runtime),
        *settings_operations(runtime),
        *config_operations(runtime),
        *status_operations(runtime),
        *audit_operations(runtime),
    )
    return (*operations, openapi_operation(operations))
