"""Samples for the tables of request fields, 1.2, 6.1 and 7.2: what each row is tried with."""

from typing import Any

from tests.wire_mapping.trying import MISSING, Sample, asked

__all__ = ["FIELD_SAMPLES", "FIELD_TABLES", "LEAST_FIELDS"]

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {}}
TOOL = {"name": "ls", "input_schema": SCHEMA}
FUNCTION = {"type": "function", "function": {"name": "ls", "parameters": SCHEMA}}
CUSTOM = {"type": "custom", "custom": {"name": "sh"}}
SEARCH = {"type": "web_search"}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
JSON_SCHEMA = {"name": "out", "schema": SCHEMA}
ITEM = {"type": "message", "role": "user", "content": "hi"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
LIMITED = {"max_output_tokens": True}
SAMPLED = {"sampling": True}
EMPTY: tuple[Any, ...] = (0, None, {})


def formatted(**fields: Any) -> Sample:
    return asked(response_format=fields)


def choosing(choice: Any, *tools: Any) -> Sample:
    return asked(tools=list(tools), tool_choice=choice) if tools else asked(tool_choice=choice)


MESSAGES: dict[str, list[Sample]] = {
    "`model`": [asked(model=MISSING), asked(model="")],
    "`max_tokens`": [
        asked(max_tokens=MISSING),
        asked(LIMITED, max_tokens=5),
        asked(max_tokens=5),
        asked(max_tokens=0),
    ],
    "`messages`": [asked(messages=[]), asked(messages=[USER] * 100_001), asked(messages=[USER, USER])],
    "`system`": [asked(system="s"), asked(system=[{"type": "image"}])],
    "`stream`": [asked(stream=True), asked(stream=False)],
    "`stop_sequences`": [asked(stop_sequences=["a", ""])],
    "`temperature`, `top_p`": [
        *(asked(SAMPLED, **{name: 0.5}) for name in ("temperature", "top_p")),
        *(asked(**{name: 0.5}) for name in ("temperature", "top_p")),
        *(asked(SAMPLED, **{name: 1}) for name in ("temperature", "top_p")),
    ],
    "`top_k`": [asked(top_k=5)],
    "`metadata.user_id`": [asked(metadata={"user_id": "u"})],
    "`thinking`, `output_config.effort`": [
        asked(thinking={"type": "adaptive"}),
        asked(output_config={"effort": "low"}),
        asked(output_config={"effort": "huge"}),
        asked(thinking={"type": "profound"}),
    ],
    "`output_config.format`, `output_format`": [
        asked(output_config={"format": FORMAT}),
        asked(output_format=FORMAT),
        asked(output_config={"format": {"type": "xml"}}),
        asked(output_format={"type": "xml"}),
    ],
    "`output_config.task_budget`": [asked(output_config={"task_budget": {"type": "tokens", "total": 5}})],
    "`tools`, `tool_choice`": [asked(tools=[TOOL]), asked(tools=[TOOL], tool_choice={"type": "any"})],
    "`service_tier`": [asked(service_tier="auto"), asked(service_tier="standard_only")],
    "`speed`": [asked(speed="fast"), asked(speed="standard"), asked(speed=None)],
    "`cache_control`": [
        asked(cache_control={"type": "ephemeral"}),
        asked(
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}],
                }
            ]
        ),
    ],
    "`container`": [
        asked(container=None),
        asked(container={"id": "c", "skills": [{"type": "custom", "skill_id": "s"}]}),
        asked(container="c"),
        asked(container={"id": "c", "skills": []}),
    ],
    "`context_management`": [asked(context_management={"edits": []})],
    "`compaction`": [asked(compaction={"type": "summarize"})],
    "`mcp_servers`": [
        asked(mcp_servers=[]),
        asked(mcp_servers=[{"type": "url", "url": "https://x.example"}]),
    ],
    "`thread`": [asked(thread={"type": "create"}), asked(thread=None)],
    "`diagnostics, inference_geo, user_profile_id, workspace_id, billing_policy, fallbacks, fallback_credit_token`": [
        asked(**{name: "x"})
        for name in (
            "diagnostics",
            "inference_geo",
            "user_profile_id",
            "workspace_id",
            "billing_policy",
            "fallbacks",
            "fallback_credit_token",
        )
    ],
    "`betas`": [asked(betas=["compact-2026-09-04"])],
}

CHAT: dict[str, list[Sample]] = {
    "`model`": [asked(model=MISSING), asked(model="")],
    "`messages`": [asked(messages=[]), asked(messages=[USER] * 100_001), asked(messages=[USER, USER])],
    "`stream`, `stream_options.include_usage`, `stream_options.include_obfuscation`": [
        asked(stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    ],
    "`max_completion_tokens`, `max_tokens`": [
        *(asked(LIMITED, **{name: 5}) for name in ("max_completion_tokens", "max_tokens")),
        *(asked(**{name: 5}) for name in ("max_completion_tokens", "max_tokens")),
        *(asked(**{name: -1}) for name in ("max_completion_tokens", "max_tokens")),
    ],
    "`reasoning_effort`": [asked(reasoning_effort="low"), asked(reasoning_effort="huge")],
    "`verbosity`": [asked(verbosity="low"), asked(verbosity="chatty")],
    "`response_format`, `text`": [formatted(type="text")],
    "`response_format`, `json_object`": [formatted(type="json_object")],
    "`response_format`, `json_schema`": [
        formatted(type="json_schema", json_schema=JSON_SCHEMA),
        formatted(type="json_schema", json_schema={"name": "out"}),
        formatted(type="json_schema", json_schema={**JSON_SCHEMA, "name": "o t"}),
    ],
    "`response_format`, another type": [formatted(type="xml")],
    "`tools[]`, `function`": [
        asked(tools=[FUNCTION]),
        asked(tools=[FUNCTION, FUNCTION]),
        asked(tools=[FUNCTION, {"type": "function", "function": {"name": "ls", "description": "another"}}]),
    ],
    "`tools[]`, `custom`": [
        asked(tools=[CUSTOM]),
        asked(tools=[{"type": "custom", "custom": {"name": "sh", "format": {"type": "xml"}}}]),
    ],
    "`tools[]`, a type of Responses' own (`web_search` and others)": [
        asked(tools=[SEARCH]),
        asked(tools=[{"type": "web_search_preview"}]),
        asked(tools=[{"type": "code_interpreter", "container": "c"}]),
        asked({"web_search": False}, tools=[SEARCH]),
    ],
    "`web_search_options`": [
        asked(
            web_search_options={
                "search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"city": "x"}},
            }
        ),
        asked({"web_search": False}, web_search_options={}),
    ],
    "`tool_choice`, `none`, `auto`, `required`": [
        choosing(word, FUNCTION) for word in ("none", "auto", "required")
    ],
    '`tool_choice`, `{"type":"function","function":{"name"}}`': [
        choosing({"type": "function", "function": {"name": "ls"}}, FUNCTION),
        choosing({"type": "custom", "custom": {"name": "sh"}}, CUSTOM),
    ],
    '`tool_choice`, `{"type":<built-in tool>}`': [
        choosing(SEARCH, SEARCH),
        choosing({"type": "web_search_preview"}, SEARCH),
    ],
    "`tool_choice`, `allowed_tools`": [
        choosing(
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "ls"}}],
                },
            },
            FUNCTION,
        )
    ],
    "`tool_choice`, `function_call` of what is not there": [
        choosing({"type": "function", "function": {"name": "x"}}, FUNCTION),
        asked(functions=[{"name": "ls"}], function_call={"name": "x"}),
        choosing("required"),
        asked(functions=[{"name": "ls"}], tool_choice="required"),
        asked(tools=[FUNCTION], function_call={"name": "ls"}),
    ],
    "`parallel_tool_calls`": [
        asked(tools=[FUNCTION], parallel_tool_calls=False),
        asked(parallel_tool_calls=False),
    ],
    "`functions`, `function_call`": [
        asked(functions=[{"name": "ls"}], function_call={"name": "ls"}),
        asked(functions=[{"name": "ls"}], tools=[FUNCTION]),
    ],
    "`stop`": [asked(stop="a"), asked(stop=["a", "b", "c", "d"]), asked(stop=list("abcde"))],
    "`n`": [asked(n=1), asked(n=None), asked(n=2)],
    "`modalities`, `audio`": [
        asked(modalities=["text"]),
        asked(modalities=["text", "audio"]),
        asked(audio={"voice": "alloy", "format": "wav"}),
    ],
    "`logprobs`, `top_logprobs`": [
        *(
            asked(**{name: value})
            for name, value in (("logprobs", False), ("top_logprobs", 0), ("logprobs", None))
        ),
        asked(logprobs=True),
        asked(top_logprobs=2),
    ],
    "`temperature`, `top_p`": MESSAGES["`temperature`, `top_p`"],
    "`frequency_penalty, presence_penalty, logit_bias, seed, prediction, moderation`": [
        *(
            asked(**{name: value})
            for name in (
                "frequency_penalty",
                "presence_penalty",
                "logit_bias",
                "seed",
                "prediction",
                "moderation",
            )
            for value in EMPTY
        ),
        *(asked(**{name: 1}) for name in ("frequency_penalty", "presence_penalty", "seed")),
        *(asked(**{name: {"x": 1}}) for name in ("logit_bias", "prediction", "moderation")),
    ],
    "`service_tier`": [
        *(asked(service_tier=tier) for tier in ("priority", "fast")),
        *(asked(service_tier=tier) for tier in ("auto", "default", "flex", "scale")),
    ],
    "`prompt_cache_key`": [asked(prompt_cache_key="k")],
    "`prompt_cache_options, prompt_cache_retention, prompt_cache_breakpoint, safety_identifier, user, metadata, store`": [
        asked(**{name: "x"})
        for name in (
            "prompt_cache_options",
            "prompt_cache_retention",
            "prompt_cache_breakpoint",
            "safety_identifier",
            "user",
            "metadata",
            "store",
        )
    ],
}

RESPONSES: dict[str, list[Sample]] = {
    "`model`": [asked(model=MISSING), asked(model="")],
    "`input`, a string": [asked(input="ho")],
    "`input`, a list": [asked(input=[ITEM]), asked(input=[ITEM] * 100_001)],
    "`input`, missing or null": [asked(input=MISSING), asked(input=None)],
    "`input[]`, `item_reference`, or nothing but an `id`": [
        asked(input=[{"type": "item_reference", "id": "msg_1"}]),
        asked(input=[{"id": "msg_1"}]),
    ],
    "`input[].id`": [
        asked(input=[{**ITEM, "id": "msg_1"}]),
        asked({"item_ids": True}, input=[{**ITEM, "id": "msg_1"}]),
    ],
    "`input[].phase`": [
        asked(input=[{**ITEM, "phase": "final_answer"}]),
        asked({"phase": "off"}, input=[{**ITEM, "phase": "final_answer"}]),
    ],
    "`input[]`, `reasoning` without `encrypted_content`": [asked(input=[ITEM, REASONING])],
    "`input[]`, `reasoning` with it": [asked(input=[ITEM, {**REASONING, "encrypted_content": "gA"}])],
    "`input[]`, `compaction`, `compaction_summary`, `context_compaction`": [
        asked(input=[ITEM, {"type": kind, "encrypted_content": "gA"}])
        for kind in ("compaction", "compaction_summary", "context_compaction")
    ],
    "`instructions`": [asked(instructions="s")],
    "`tools`, `tool_choice`": [
        asked(tools=[{"type": "function", "name": "ls", "parameters": SCHEMA}], tool_choice="required"),
        asked(tools=[{"type": "web_search_preview"}]),
    ],
    "`parallel_tool_calls`": [
        asked(tools=[{"type": "function", "name": "ls"}], parallel_tool_calls=False),
        asked(parallel_tool_calls=False),
    ],
    "`reasoning`": [asked(reasoning={"effort": "low"}), asked(reasoning={"effort": "huge"})],
    "`text`": [asked(text={"verbosity": "low"})],
    "`include`": [
        asked(include=["web_search_call.action.sources"]),
        *(
            asked(include=[name])
            for name in (
                "message.output_text.logprobs",
                "file_search_call.results",
                "computer_call_output.output.image_url",
                "code_interpreter_call.outputs",
                "message.input_image.image_url",
            )
        ),
    ],
    "`store`": [asked(store=False), asked(store=True)],
    "`stream`": [asked(stream=True), asked(stream=False)],
    "`stream_options`": [asked(stream_options={"include_obfuscation": False})],
    "`max_output_tokens`": [asked(LIMITED, max_output_tokens=50), asked(max_output_tokens=50)],
    "`temperature`, `top_p`": MESSAGES["`temperature`, `top_p`"],
    "`top_logprobs`": [asked(top_logprobs=0), asked(top_logprobs=2)],
    "`service_tier`": [
        *(asked(service_tier=tier) for tier in ("priority", "fast")),
        *(asked(service_tier=tier) for tier in ("auto", "default", "flex")),
    ],
    "`prompt_cache_key`": [asked(prompt_cache_key="k")],
    "`client_metadata`": [asked(client_metadata={"a": "b"})],
    "`previous_response_id`": [asked(previous_response_id="resp_1"), asked(previous_response_id=None)],
    "`conversation`, `background`, `prompt`": [
        asked(conversation="c"),
        asked(background=True),
        asked(prompt={"id": "p"}),
        asked(conversation=None),
        asked(background=False),
    ],
    "`truncation`": [asked(truncation="auto"), asked(truncation="disabled")],
    "`context_management`": [
        asked({"compact": True}, context_management=[{"type": "compaction"}]),
        asked(context_management=[{"type": "compaction"}]),
    ],
    "`user, safety_identifier, metadata, prompt_cache_options, prompt_cache_retention, max_tool_calls, moderation, access_programs, image`": [
        asked(**{name: "x"})
        for name in (
            "user",
            "safety_identifier",
            "metadata",
            "prompt_cache_options",
            "prompt_cache_retention",
            "max_tool_calls",
            "moderation",
            "access_programs",
            "image",
        )
    ],
    "`prompt_cache_breakpoint` inside content": [
        asked(
            input=[
                {**ITEM, "content": [{"type": "input_text", "text": "hi", "prompt_cache_breakpoint": True}]}
            ]
        )
    ],
}

FIELD_SAMPLES = {"messages": MESSAGES, "chat": CHAT, "responses": RESPONSES}
FIELD_TABLES = {"messages": "1.2", "chat": "6.1", "responses": "7.2"}

LEAST_FIELDS: dict[str, dict[str, Sample]] = {
    "messages": {},
    "chat": {},
    "responses": {
        "`input[]`, `reasoning` without `encrypted_content`": asked(input=[ITEM]),
        "`input[].id`": asked(input=[ITEM]),
        "`input[].phase`": asked(input=[ITEM]),
        "`prompt_cache_breakpoint` inside content": asked(
            input=[{**ITEM, "content": [{"type": "input_text", "text": "hi"}]}]
        ),
    },
}
"""What a sample is compared with, where that is not the least request."""
