"""``GET /models``: what clients may ask for, and who serves it."""

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.request import ManagementRequest, Query
from packyproxy.registry.listing import ServedModelList, list_served_models
from packyproxy.runtime.runtime import Runtime

__all__ = ["model_operations"]

_PROVIDER = Query(
    name="provider",
    description="Only the models of this provider; of one that is not enabled there are none.",
    schema={"type": "string"},
    example="packycode",
)


def model_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done at ``/models``."""

    async def show(request: ManagementRequest) -> ServedModelList:
        return list_served_models(runtime.snapshot.registry, provider=request.query.get("provider"))

    return (
        Operation(
            method="GET",
            path="/models",
            summary="List the models that clients may ask for, effort variants and aliases included.",
            endpoint=show,
            answer=ServedModelList,
            query=(_PROVIDER,),
        ),
    )
