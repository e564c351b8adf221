"""The ``messages`` array, decoded and checked: one turn per message (wire-mapping 6.2).

The older ``function_call`` has no id, so calls and the ``function`` messages that answer them are matched
here by name: each such message gets the latest call of its function that has no answer yet.
"""

from collections import defaultdict

from msgspec import Raw, Struct, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.chat.parts import assistant_texts, input_parts, plain_text, system_texts
from packyproxy.translate.decoding import decode_part, optional_text, require_text
from packyproxy.translate.tool_names import call_id_to_upstream
from packyproxy.wire import json_text
from packyproxy.wire.chat import CalledFunction, Message, ToolCall
from packyproxy.wire.responses import InputPart, InputText

__all__ = [
    "AssistantTurn",
    "Call",
    "SystemTurn",
    "ToolTurn",
    "Turn",
    "UserTurn",
    "first_user_text",
    "read_turns",
]

_NO_ARGUMENTS = json_text.quote("{}")

_TOOL_CALLS = json.Decoder(list[ToolCall] | None)
_FUNCTION_CALL = json.Decoder(CalledFunction)


class SystemTurn(Struct, frozen=True):
    """What a developer says."""

    texts: list[Raw]


class UserTurn(Struct, frozen=True):
    """What the user says and shows."""

    parts: list[InputPart]


class Call(Struct, frozen=True):
    """A call of one of the client's tools."""

    call_id: str
    """As the upstream takes it."""
    name: str
    """The client's own."""
    text: Raw
    """The arguments of a function or the input of a custom tool, as a JSON string literal."""
    is_custom: bool = False


class AssistantTurn(Struct, frozen=True):
    """What the model said, then what it called."""

    texts: list[Raw]
    calls: list[Call]


class ToolTurn(Struct, frozen=True):
    """What a tool answered."""

    call_id: str
    """As the upstream takes it; the function's name where no call is known."""
    parts: list[InputPart]
    is_stray: bool = False
    """Whether it is the answer of a function that was not called."""


Turn = SystemTurn | UserTurn | AssistantTurn | ToolTurn


def read_turns(messages: list[Message], warnings: list[str]) -> list[Turn]:
    """Decode every message.

    Args:
        messages: of the request.
        warnings: takes the tokens of what was left out.

    Raises:
        InvalidRequest: a role, a part or one of their fields is wrong.
    """
    reader = _TurnReader(warnings)
    return [reader.read(message, at) for at, message in enumerate(messages)]


class _TurnReader:
    """Reads the messages of one request in order.

    Histories have thousands of messages, so the name of a place is made only where it may be needed.
    """

    def __init__(self, warnings: list[str]) -> None:
        self._warnings = warnings
        self._functions_called = 0
        self._unanswered: defaultdict[str, list[str]] = defaultdict(list)
        """Ids of calls in the older form, by the name of the function."""

    def read(self, message: Message, at: int) -> Turn:
        role = message.role
        if role == "assistant":
            return self._assistant(message, at)
        if role == "tool":
            return self._tool(message, at)
        field = f"messages[{at}]"
        if role == "user":
            return UserTurn(input_parts(message.content, f"{field}.content", self._warnings))
        if role == "system" or role == "developer":  # noqa: PLR1714 - each message passes here
            return SystemTurn(system_texts(message.content, f"{field}.content"))
        if role == "function":
            return self._function(message, at)
        raise InvalidRequest("unexpected value", field=f"{field}.role")

    def _assistant(self, message: Message, at: int) -> AssistantTurn:
        texts = plain_text(message.content)
        if texts is None:
            texts = assistant_texts(message.content, f"messages[{at}].content", self._warnings)
        if not isinstance(message.refusal, UnsetType):
            refusal = optional_text(message.refusal, f"messages[{at}].refusal")
            if refusal is not None:
                texts.append(refusal)
        calls: list[Call] = []
        if not isinstance(message.tool_calls, UnsetType):
            calls += self._calls(message.tool_calls, f"messages[{at}].tool_calls")
        if not isinstance(message.function_call, UnsetType) and not json_text.is_null(message.function_call):
            calls.append(self._function_call(message.function_call, f"messages[{at}].function_call"))
        return AssistantTurn(texts, calls)

    def _calls(self, tool_calls: Raw, field: str) -> list[Call]:
        calls: list[Call] = []
        for at, call in enumerate(decode_part(_TOOL_CALLS, tool_calls, field, with_brackets=True) or ()):
            usual = _usual_call(call)
            if usual is not None:
                calls.append(usual)
            else:
                calls += self._call(call, f"{field}[{at}]")
        return calls

    def _call(self, call: ToolCall, field: str) -> list[Call]:
        """Return the call, or nothing for one of a kind that is not known."""
        kind = call.type or "function"
        if kind not in {"function", "custom"}:
            self._warnings.append("unknown_tool_call")
            return []
        if isinstance(call.id, UnsetType):
            raise InvalidRequest("field required", field=f"{field}.id")
        call_id = call_id_to_upstream(call.id)
        if kind == "function":
            if call.function is None:
                raise InvalidRequest("field required", field=f"{field}.function")
            return [Call(call_id, call.function.name, _arguments(call.function, f"{field}.function"))]
        if call.custom is None:
            raise InvalidRequest("field required", field=f"{field}.custom")
        text = optional_text(call.custom.input, f"{field}.custom.input") or json_text.EMPTY
        return [Call(call_id, call.custom.name, text, is_custom=True)]

    def _function_call(self, raw: Raw, field: str) -> Call:
        function = decode_part(_FUNCTION_CALL, raw, field, with_brackets=True)
        self._functions_called += 1
        call_id = f"call_fn_{self._functions_called}"
        self._unanswered[function.name].append(call_id)
        return Call(call_id, function.name, _arguments(function, field))

    def _tool(self, message: Message, at: int) -> ToolTurn:
        literal = message.tool_call_id
        if isinstance(literal, UnsetType) or not json_text.is_text(literal):
            literal = require_text(literal, f"messages[{at}].tool_call_id")
        return ToolTurn(call_id_to_upstream(json_text.unquote(literal)), self._output(message, at))

    def _function(self, message: Message, at: int) -> ToolTurn:
        name = json_text.unquote(require_text(message.name, f"messages[{at}].name"))
        parts = self._output(message, at)
        unanswered = self._unanswered[name]
        if unanswered:
            return ToolTurn(unanswered.pop(), parts)
        return ToolTurn(call_id_to_upstream(name), parts, is_stray=True)

    def _output(self, message: Message, at: int) -> list[InputPart]:
        content = message.content
        if isinstance(content, UnsetType) or json_text.is_null(content):
            return []
        if json_text.is_text(content):
            return [InputText(content)]  # blank or not, it is what the tool answered
        return input_parts(content, f"messages[{at}].content", self._warnings)


def _usual_call(call: ToolCall) -> Call | None:
    """Return the call of a function with arguments, as nearly all are; None for any other."""
    function = call.function
    if call.type != "function" or function is None or isinstance(call.id, UnsetType):
        return None
    arguments = function.arguments
    if isinstance(arguments, UnsetType) or not json_text.is_text(arguments) or json_text.is_empty(arguments):
        return None
    return Call(call_id_to_upstream(call.id), function.name, arguments)


def _arguments(function: CalledFunction, field: str) -> Raw:
    return optional_text(function.arguments, f"{field}.arguments") or _NO_ARGUMENTS


def first_user_text(turns: list[Turn]) -> bytes:
    """Return the first text a user message holds, as the bytes of its literal; empty when there is none."""
    texts = (
        part.text
        for turn in turns
        if type(turn) is UserTurn
        for part in turn.parts
        if type(part) is InputText
    )
    return bytes(next(texts, b""))
