"""Tools whose schema Anthropic defined and clients run themselves, as functions (wire-mapping 1.7).

The model was not trained on these names upstream, so each gets a plain description and a schema.
"""

from msgspec import Raw, Struct, UnsetType, json

from packyproxy.wire import json_text
from packyproxy.wire.messages import ToolDefinition

__all__ = ["TypedTool", "computer_description", "typed_tool"]


class TypedTool(Struct, frozen=True):
    """The function that stands for a typed tool; ``description`` is a JSON string literal."""

    name: str
    description: Raw
    parameters: Raw


_Schema = dict[str, object]

_STRING: _Schema = {"type": "string"}
_INTEGER: _Schema = {"type": "integer"}
_POINT: _Schema = {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 2}
_REGION: _Schema = {"type": "array", "items": _INTEGER, "minItems": 4, "maxItems": 4}
_INTEGERS: _Schema = {"type": "array", "items": _INTEGER}


def _one_of(values: str) -> _Schema:
    return {"type": "string", "enum": values.split()}


def _function(name: str, description: str, required: tuple[str, ...], **properties: _Schema) -> TypedTool:
    schema: _Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return TypedTool(name, json_text.quote(description), Raw(json.encode(schema)))


def _file_tool(
    name: str, description: str, required: tuple[str, ...], commands: str, **more: _Schema
) -> TypedTool:
    return _function(
        name,
        description,
        required,
        command=_one_of(commands),
        path=_STRING,
        file_text=_STRING,
        old_str=_STRING,
        new_str=_STRING,
        insert_line=_INTEGER,
        insert_text=_STRING,
        **more,
        view_range=_INTEGERS,
    )


def _editor(name: str, commands: str) -> TypedTool:
    return _file_tool(name, "View, create and edit text files.", ("command", "path"), commands)


_COMPUTER = "Control the computer by mouse, keyboard and screenshots."

_bash = _function(
    "bash", "Run a command in a persistent bash session.", (), command=_STRING, restart={"type": "boolean"}
)
_old_editor = _editor("str_replace_editor", "view create str_replace insert undo_edit")
_new_editor = _editor("str_replace_based_edit_tool", "view create str_replace insert")
_memory = _file_tool(
    "memory",
    "Read and write files in the memory directory, which lasts from one conversation to the next.",
    ("command",),
    "view create str_replace insert delete rename",
    old_path=_STRING,
    new_path=_STRING,
)
_computer = _function(
    "computer",
    _COMPUTER,
    ("action",),
    action=_STRING,
    coordinate=_POINT,
    start_coordinate=_POINT,
    text=_STRING,
    scroll_direction=_one_of("up down left right"),
    scroll_amount=_INTEGER,
    duration={"type": "number"},
    region=_REGION,
)

_TYPED: dict[str, TypedTool] = {
    "bash_20241022": _bash,
    "bash_20250124": _bash,
    "text_editor_20241022": _old_editor,
    "text_editor_20250124": _old_editor,
    "text_editor_20250429": _new_editor,
    "text_editor_20250728": _new_editor,
    "memory_20250818": _memory,
    "computer_20241022": _computer,
    "computer_20250124": _computer,
    "computer_20251124": _computer,
}


def typed_tool(kind: str) -> TypedTool | None:
    """Return the function for a tool type, or None for a type that is not in the table."""
    return _TYPED.get(kind)


def computer_description(definition: ToolDefinition) -> Raw:
    """Describe the computer tool with the size of its display, when the client gave one."""
    width, height = definition.display_width_px, definition.display_height_px
    if isinstance(width, UnsetType) or isinstance(height, UnsetType):
        return json_text.quote(_COMPUTER)
    size = f"{_number(width)} x {_number(height)}"
    return json_text.quote(
        f"{_COMPUTER} The display is {size} pixels; coordinates are [x, y] from the top left."
    )


def _number(value: Raw) -> str:
    text = bytes(value).decode()
    return text if text.isdigit() else "?"
