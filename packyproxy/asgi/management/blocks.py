"""The providers' blocks of the configuration: ``/packycode`` and ``/tppc``.

PUT replaces a block, PATCH changes the keys that it names; ``tppc.providers`` is merged by name. Secrets are
shown as masks, and a mask that is sent back keeps the secret.
"""

from typing import Final

from msgspec import Struct

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.request import FLAG, ManagementRequest, Query
from packyproxy.asgi.management.saving import Merge, block_of, foresee, refused, save
from packyproxy.config import Config, ProviderConfig
from packyproxy.config.merging import patch_value, put_value
from packyproxy.config.view import PackycodeView, TppcView, packycode_view, tppc_view
from packyproxy.errors import FailureKind, Problem
from packyproxy.providers.next_steps import NEXT_STEPS
from packyproxy.runtime.examination.probe import missing_settings, probe
from packyproxy.runtime.reload.editing import EditText
from packyproxy.runtime.runtime import Runtime

__all__ = ["PackycodeBody", "TppcBody", "packycode_operations", "tppc_operations"]

_PACKYCODE: Final = "packycode"
_TPPC: Final = "tppc"
_NO_BLOCK: Final = ProviderConfig(kind="packycode", name=_PACKYCODE)
_PROBE: Final = Query(
    name="probe",
    description="1: ask the provider first, with the new settings; nothing is saved if it refuses the key.",
    schema=FLAG,
    example="1",
)


class PackycodeBody(Struct, frozen=True):
    """The ``packycode`` block."""

    packycode: PackycodeView


class TppcBody(Struct, frozen=True):
    """The ``tppc`` block."""

    tppc: TppcView


def packycode_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done with the ``packycode`` block."""
    block = _Packycode(runtime)
    return (
        Operation(
            method="GET",
            path="/packycode",
            summary="Show the packycode block as it is in force, and where each of its values came from.",
            endpoint=block.show,
            answer=PackycodeBody,
        ),
        Operation(
            method="PUT",
            path="/packycode",
            summary="Replace the packycode block; what is left out gets its default.",
            endpoint=block.put,
            answer=PackycodeBody,
            body=PackycodeBody | PackycodeView,
            query=(_PROBE,),
            refusals=("invalid_packycode", "conflict"),
        ),
        Operation(
            method="PATCH",
            path="/packycode",
            summary="Change the keys of the packycode block that are sent.",
            endpoint=block.patch,
            answer=PackycodeBody,
            body=PackycodeBody | PackycodeView,
            query=(_PROBE,),
            refusals=("invalid_packycode", "conflict"),
        ),
    )


def tppc_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done with the further providers."""
    block = _Tppc(runtime)
    return (
        Operation(
            method="GET",
            path="/tppc",
            summary="Show the further providers as they are in force.",
            endpoint=block.show,
            answer=TppcBody,
        ),
        Operation(
            method="PUT",
            path="/tppc",
            summary="Replace the list of further providers.",
            endpoint=block.put,
            answer=TppcBody,
            body=TppcBody | TppcView,
            refusals=("invalid_tppc", "conflict"),
        ),
        Operation(
            method="PATCH",
            path="/tppc",
            summary="Change the providers that are sent, found by their names; a new name adds a provider.",
            endpoint=block.patch,
            answer=TppcBody,
            body=TppcBody | TppcView,
            refusals=("invalid_tppc", "conflict"),
        ),
    )


class _Packycode:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def show(self, _: ManagementRequest) -> PackycodeBody:
        """Without a block it is the defaults, disabled."""
        providers = self._runtime.snapshot.config.providers
        block = next((provider for provider in providers if provider.kind == "packycode"), _NO_BLOCK)
        return PackycodeBody(packycode_view(block))

    async def put(self, request: ManagementRequest) -> PackycodeBody:
        return await self._write(request, put_value)

    async def patch(self, request: ManagementRequest) -> PackycodeBody:
        return await self._write(request, patch_value)

    async def _write(self, request: ManagementRequest, merge: Merge) -> PackycodeBody:
        is_probed = request.flag("probe")
        block = block_of(await request.json(), _PACKYCODE, code="invalid_packycode")

        def edit(text: str, config: Config) -> str:
            return merge(text, (_PACKYCODE,), block, in_force=config)

        if is_probed:
            await self._ask_first(request, edit)
        await save(self._runtime, request, edit, code="invalid_packycode")
        return await self.show(request)

    async def _ask_first(self, request: ManagementRequest, edit: EditText) -> None:
        """Refuse new settings whose key the provider refuses; whatever else is wrong there may pass."""
        config = await foresee(self._runtime, request, edit, code="invalid_packycode")
        block = next(provider for provider in config.providers if provider.kind == "packycode")
        if missing_settings(_PACKYCODE, block):
            return
        failure = (await probe(self._runtime, block)).failure
        if failure is not None and failure.kind is FailureKind.CREDENTIALS_REJECTED:
            problem = Problem(
                field="packycode.credentials.openai-api-key",
                code="key_refused",
                message="the provider refuses this key",
                fix=NEXT_STEPS[failure.kind],
            )
            raise refused("invalid_packycode", [problem])


class _Tppc:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def show(self, _: ManagementRequest) -> TppcBody:
        return TppcBody(tppc_view(self._runtime.snapshot.config))

    async def put(self, request: ManagementRequest) -> TppcBody:
        return await self._write(request, put_value)

    async def patch(self, request: ManagementRequest) -> TppcBody:
        return await self._write(request, patch_value)

    async def _write(self, request: ManagementRequest, merge: Merge) -> TppcBody:
        block = block_of(await request.json(), _TPPC, code="invalid_tppc")
        if "providers" not in block:  # so that an empty object does not remove them all
            fix = 'send {"providers": [...]}'
            problem = Problem(field="tppc.providers", code="missing", message="is missing", fix=fix)
            raise refused("invalid_tppc", [problem])
        await save(
            self._runtime,
            request,
            lambda text, config: merge(text, (_TPPC,), block, in_force=config),
            code="invalid_tppc",
        )
        return await self.show(request)
