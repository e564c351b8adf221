"""The Chat request structs against the openai SDK's own types."""

from typing import Any, get_type_hints

import pytest
from msgspec import Struct
from openai.types import chat as sdk
from openai.types.chat import completion_create_params as params
from openai.types.chat.chat_completion_content_part_image_param import ImageURL
from openai.types.chat.chat_completion_content_part_param import File, FileFile
from openai.types.shared_params import FunctionDefinition
from openai.types.shared_params.response_format_json_schema import JSONSchema

from packyproxy.wire import chat

DROPPED = {
    "metadata", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "store", "user",
}  # fmt: skip
"""Fields of a request that mean nothing here, so they are not even read."""


def test_every_documented_field_is_read_or_dropped_on_purpose() -> None:
    """A field that the SDK learns of must find its place."""
    documented = set(get_type_hints(params.CompletionCreateParamsStreaming))
    assert documented - DROPPED == set(chat.ChatBody.__struct_fields__)
    assert documented >= DROPPED


MESSAGES = (
    sdk.ChatCompletionUserMessageParam,
    sdk.ChatCompletionAssistantMessageParam,
    sdk.ChatCompletionToolMessageParam,
    sdk.ChatCompletionFunctionMessageParam,
    sdk.ChatCompletionSystemMessageParam,
    sdk.ChatCompletionDeveloperMessageParam,
)


@pytest.mark.parametrize(
    ("struct", "types", "dropped"),
    [
        (chat.Message, MESSAGES, {"audio"}),
        (chat.TextPart, (sdk.ChatCompletionContentPartTextParam,), {"type", "prompt_cache_breakpoint"}),
        (chat.ImagePart, (sdk.ChatCompletionContentPartImageParam,), {"type", "prompt_cache_breakpoint"}),
        (chat.ImageUrl, (ImageURL,), set()),
        (chat.FilePart, (File,), {"type", "prompt_cache_breakpoint"}),
        (chat.FileSource, (FileFile,), set()),
        (chat.RefusalPart, (sdk.ChatCompletionContentPartRefusalParam,), {"type"}),
        (
            chat.ToolCall,
            (
                sdk.ChatCompletionMessageFunctionToolCallParam,
                sdk.ChatCompletionMessageCustomToolCallParam,
            ),
            set(),
        ),
        (
            chat.ToolDefinition,
            (sdk.ChatCompletionFunctionToolParam, sdk.ChatCompletionCustomToolParam),
            set(),
        ),
        (chat.FunctionDefinition, (FunctionDefinition,), set()),
        (
            chat.ToolChoice,
            (
                sdk.ChatCompletionNamedToolChoiceParam,
                sdk.ChatCompletionNamedToolChoiceCustomParam,
                sdk.ChatCompletionAllowedToolChoiceParam,
            ),
            set(),
        ),
        (chat.AllowedTools, (sdk.ChatCompletionAllowedToolsParam,), set()),
        (chat.NamedTool, (sdk.ChatCompletionFunctionCallOptionParam,), set()),
        (chat.JsonSchema, (JSONSchema,), set()),
        (chat.StreamOptions, (sdk.ChatCompletionStreamOptionsParam,), {"include_obfuscation"}),
        (chat.WebSearchOptions, (params.WebSearchOptions,), set()),
        (chat.UserLocation, (params.WebSearchOptionsUserLocation,), {"type"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_inner_objects_have_the_documented_fields(
    struct: type[Struct], types: tuple[Any, ...], dropped: set[str]
) -> None:
    """Every field of the SDK's types is read, or dropped on purpose."""
    documented = {name for kind in types for name in get_type_hints(kind)}
    assert documented - dropped == set(struct.__struct_fields__)
