"""The whole configuration: seen with its secrets masked, replaced, and validated without being used."""

from typing import Final

from msgspec import UNSET, Struct

from packyproxy.asgi.management.operations import Operation, Text
from packyproxy.asgi.management.refusals import ProblemBody, Refusal
from packyproxy.asgi.management.request import ManagementRequest
from packyproxy.asgi.management.saving import foresee, not_an_object, save
from packyproxy.config import Config
from packyproxy.config.masking import restore_masks
from packyproxy.config.merging import put_value
from packyproxy.config.view import ConfigView, config_view
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError
from packyproxy.runtime.reload.editing import EditText, NoFile
from packyproxy.runtime.runtime import Runtime

__all__ = ["Validation", "config_operations", "validate_operation"]

_MARK: Final = "\ufeff"
"""With which some editors begin a file; it stays where it is, and is not brought in."""
_YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


class Validation(Struct, frozen=True, kw_only=True):
    """What was found out about a configuration that nobody uses."""

    ok: bool
    problems: tuple[ProblemBody, ...] = ()
    """Everything that was found."""


def config_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done with the configuration as a whole."""
    whole = _WholeConfig(runtime)
    return (
        Operation(
            method="GET",
            path="/config",
            summary="Show every setting that is in force, secrets masked.",
            endpoint=whole.show,
            answer=ConfigView,
        ),
        Operation(
            method="PUT",
            path="/config",
            summary="Replace the whole configuration; what is left out gets its default.",
            endpoint=whole.put,
            answer=ConfigView,
            body=ConfigView,
            refusals=("invalid_config", "conflict"),
        ),
        Operation(
            method="GET",
            path="/config.yaml",
            summary="Show the configuration file, secrets masked.",
            endpoint=whole.show_text,
            answer=Text,
            refusals=("conflict",),
        ),
        Operation(
            method="PUT",
            path="/config.yaml",
            summary="Replace the configuration file; a mask keeps the secret that it stands for.",
            endpoint=whole.put_text,
            answer=Text,
            body=str,
            media_types=_YAML,
            refusals=("invalid_config", "conflict"),
        ),
        validate_operation(runtime),
    )


def validate_operation(runtime: Runtime) -> Operation:
    """Return the dry run: what is wrong with a configuration, if anything is."""
    return Operation(
        method="POST",
        path="/config/validate",
        summary="Say what is wrong with a whole configuration, as JSON or YAML; nothing is saved or applied.",
        endpoint=_WholeConfig(runtime).validate,
        answer=Validation,
        body=ConfigView,
        media_types=("application/json", *_YAML),
        refusals=("conflict",),
    )


class _WholeConfig:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def show(self, _: ManagementRequest) -> ConfigView:
        return config_view(self._runtime.snapshot.config)

    async def put(self, request: ManagementRequest) -> ConfigView:
        await save(self._runtime, request, _putting(await request.json()), code="invalid_config")
        return await self.show(request)

    async def show_text(self, _: ManagementRequest) -> Text:
        try:
            text, revision = await self._runtime.editor.shown()
            return Text(text, revision=revision)
        except NoFile as error:
            raise Refusal("conflict", str(error)) from error
        except ConfigError as error:
            what = "the file cannot be shown with its secrets masked"
            raise Refusal("conflict", f"{what}: {error.problems[0]}") from error

    async def put_text(self, request: ManagementRequest) -> Text:
        """Whatever the body says it is: by its route it is YAML."""
        await save(self._runtime, request, _replacing(await request.body()), code="invalid_config")
        return await self.show_text(request)

    async def validate(self, request: ManagementRequest) -> Validation:
        """Masks stand for the stored secrets; the environment completes what was sent as it would a file."""
        if request.media_type in _YAML:
            edit = _replacing(await request.body())
        else:
            edit = _on_readable(_putting(await request.json()))
        try:
            await foresee(self._runtime, request, edit, code="invalid_config")
        except Refusal as refusal:
            problems = refusal.body.problems
            if problems is UNSET:
                raise
            return Validation(ok=False, problems=problems)
        return Validation(ok=True)


def _putting(body: object) -> EditText:
    """Return the edit that makes a decoded JSON body the whole configuration."""

    def put(text: str, config: Config) -> str:
        if not isinstance(body, dict):
            raise ConfigError((not_an_object("", "send an object with the keys of config.yaml"),))
        return put_value(text, (), body, in_force=config)

    return put


def _on_readable(edit: EditText) -> EditText:
    """Return an edit that takes a text which is no YAML for an empty one: it holds nothing that counts."""
    return lambda text, config: edit("" if read_text(text).problems else text, config)


def _replacing(data: bytes) -> EditText:
    """Return the edit that makes a body the text of the configuration."""

    def replace(text: str, _: Config) -> str:
        document = read_text(data)
        if document.problems:
            raise ConfigError(document.problems)
        sent = data.decode()
        return restore_masks(sent if text.startswith(_MARK) else sent.removeprefix(_MARK), text)

    return replace
