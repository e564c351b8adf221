"""All operations of the management API, family by family."""

from packyproxy.asgi.management.openapi import openapi_operation
from packyproxy.asgi.management.operations import Operation
from packyproxy.runtime.runtime import Runtime

__all__ = ["management_operations"]


def management_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return everything that can be done below ``/v0/management``; the order is the documentation's."""
    operations: tuple[Operation, ...] = ()
    return (*operations, openapi_operation(operations))
