"""The words of the Responses API that a recording keeps: names of fields, values of enumerations, headers.

Everything else in an answer counts as content, also what a later version of the API will add: a word is added
here when somebody has looked at it. No list has anything that a client, a model or an operator makes up.
"""

import re
from typing import Final

from packyproxy.translate.effort import EFFORTS
from packyproxy.wire.responses_events import EVENT_TYPES

__all__ = [
    "ARGUMENT_DELTAS",
    "ENDPOINTS",
    "EVENT_TYPE",
    "FIELDS",
    "HEADERS",
    "ID_FIELDS",
    "ID_HEADERS",
    "ID_PREFIXES",
    "MODEL",
    "NUMBER_FIELDS",
    "OPAQUE_FIELDS",
    "WORDS",
    "WORD_FIELDS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ID_FIELDS: Final = _words(
    "id item_id call_id response_id previous_response_id approval_request_id request_id url"
)
"""Fields whose texts are numbered: the same one gets the same number everywhere."""

NUMBER_FIELDS: Final = _words(
    """
    sequence_number output_index content_index summary_index annotation_index start_index end_index
    created_at completed_at input_tokens output_tokens total_tokens cached_tokens cache_write_tokens
    reasoning_tokens num_requests resets_at resets_in_seconds reset_at reset_after_seconds status
    status_code code used_percent window_minutes limit_window_seconds temperature top_p top_logprobs
    max_output_tokens max_tool_calls partial_image_index command_index
    """
)
"""Fields whose numbers are kept."""

WORD_FIELDS: Final = _words(
    """
    type object status role phase effort summary generate_summary verbosity truncation service_tier
    tool_choice code error_type param reason plan_type mode detail syntax execution search_context_size
    """
)
"""Fields whose texts are kept where they are among :data:`WORDS`."""

OPAQUE_FIELDS: Final = _words(
    "metadata parameters schema input_schema logprobs top_logprobs client_metadata arguments"
)
"""Fields of objects and lists in which even the names are somebody's own, or numbers spell out a text."""

FIELDS: Final = (
    ID_FIELDS
    | NUMBER_FIELDS
    | WORD_FIELDS
    | OPAQUE_FIELDS
    | _words(
        """
        response output item part content text refusal delta arguments input name namespace annotations
        annotation title url query queries sources action filename file_id container_id encrypted_content
        message error detail errors incomplete_details instructions model background parallel_tool_calls
        prompt_cache_key reasoning store safety_identifier format tools tool_usage web_search usage user
        input_tokens_details output_tokens_details obfuscation description strict context_management
        moderation conversation headers data rate_limits primary secondary credits allowed limit_reached
        first_id last_id has_more owned_by created result revised_prompt partial_image_b64 outputs results
        command commands server_label stream include
        """
    )
)
"""Names of fields that are kept."""

WORDS: Final = (
    EVENT_TYPES
    | frozenset(EFFORTS)
    | _words(
        """
        response response.compaction list model error completed failed in_progress incomplete queued
        cancelled searching generating interpreting calling assistant user system developer tool commentary
        final_answer auto concise detailed low medium high default flex priority scale disabled none
        required max_output_tokens content_filter max_messages steered message reasoning function_call
        function_call_output custom_tool_call custom_tool_call_output web_search_call file_search_call
        computer_call code_interpreter_call image_generation_call local_shell_call local_shell_call_output
        shell_call shell_call_output apply_patch_call mcp_call mcp_list_tools mcp_approval_request
        mcp_approval_response tool_search_call tool_search_output compaction item_reference output_text
        refusal summary_text reasoning_text input_text input_image input_file url_citation file_citation
        container_file_citation file_path function custom namespace web_search web_search_preview
        file_search code_interpreter image_generation local_shell shell mcp tool_search apply_patch grammar
        lark regex text json_object json_schema search open_page find_in_page url server_error
        rate_limit_exceeded invalid_request_error rate_limit_error authentication_error permission_error
        not_found_error overloaded_error timeout_error billing_error service_unavailable_error
        insufficient_quota usage_limit_reached usage_not_included context_length_exceeded context_too_large
        context_window_exceeded invalid_encrypted_content invalid_api_key unauthorized model_not_found
        server_is_overloaded slow_down invalid_prompt cyber_policy bio_policy misalignment_policy_violation
        content_policy_violation vector_store_timeout data_residency_mismatch billing_hard_limit_reached
        payment_required codex_access_restricted request_too_large invalid_value unsupported_parameter
        unknown_parameter missing_required_parameter string_above_max_length array_above_max_length
        unsupported_value invalid_type requests tokens free plus pro team business enterprise edu input
        instructions tools tool_choice reasoning.effort reasoning.summary text.verbosity stream store
        include temperature top_p truncation service_tier prompt_cache_key parallel_tool_calls
        max_tool_calls computer computer_use computer_use_preview computer_call_output computer_screenshot
        web_search_2025_08_26 web_search_preview_2025_03_11 container_reference container_auto exec logs
        image input_audio program program_output click double_click drag keypress move screenshot scroll
        wait type create_file update_file delete_file exit timeout approximate additional_tools
        allowed_tools client server fast empty_image_file failed_to_download_image
        image_content_policy_violation image_file_not_found image_file_too_large image_parse_error
        image_too_large image_too_small invalid_base64_image invalid_image invalid_image_format
        invalid_image_mode invalid_image_url unsupported_image_media_type thinking_signature_invalid
        insufficient_user_quota pre_consume_token_quota_failed api_error upstream_error new_api_error
        one_api_error bad_response_status_code
        """
    )
)
"""Values that are kept, in the fields that may have them."""

ARGUMENT_DELTAS: Final = _words("response.function_call_arguments.delta response.mcp_call_arguments.delta")
"""The events whose ``delta`` is a piece of a JSON document."""

EVENT_TYPE: Final = re.compile(rb"(?=.{3,64}\Z)[a-z]+(?:_[a-z]+)*(?:\.[a-z]+(?:_[a-z]+)*)+")
"""What the name of an event looks like that nobody knows yet: lower-case words with dots between them."""

ID_PREFIXES: Final = re.compile(
    rb"(?:resp|msg|rs|fc|call|ctc|ws|cmp|fs|ig|ci|cu|mcp|mcpl|mcpr|lsh|sh|apc|req|item|chatcmpl|toolu)[_-]"
    rb"|https?://"
)
"""How the API begins an id of each kind, and links begin."""

MODEL: Final = re.compile(
    rb"(?:gpt|codex|chatgpt|o\d)"
    rb"(?:-(?:\d{1,4}(?:\.\d{1,2})?o?|codex|mini|nano|max|pro|chat|turbo|latest|preview|spark|oss|20b|120b"
    rb"|none|minimal|low|medium|high|xhigh)){0,6}"
)
"""Names that OpenAI gives to its models, and nobody to anything else."""

ENDPOINTS: Final = ("/responses/compact", "/responses/input_tokens", "/responses", "/alpha/search", "/models")
"""What a path ends in that is asked for here; what stands before it is the provider's."""

_NUMBER: Final = r"\d{1,16}(?:\.\d{1,6})?"
_SPAN: Final = rf"{_NUMBER}(?:ms|s|m|h|d)?(?:{_NUMBER}(?:ms|s|m|h))*"
_DATE: Final = r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"

HEADERS: Final = tuple(
    (re.compile(name), re.compile(value))
    for name, value in (
        (
            "content-type",
            r"(?:text/event-stream|application/json|text/html|text/plain)(?:; ?charset=[Uu][Tt][Ff]-8)?",
        ),
        ("retry-after", rf"{_NUMBER}|{_DATE}"),
        (r"retry-after-ms|openai-processing-ms", _NUMBER),
        (r"x-ratelimit-(?:limit|remaining|reset)-(?:requests|tokens)", _SPAN),
        (
            r"x-codex-(?:primary|secondary)-(?:used-percent|window-minutes|reset-at|reset-after-seconds)",
            _NUMBER,
        ),
        ("x-codex-plan-type", r"free|plus|pro|team|business|enterprise|edu"),
        ("cache-control", r"no-cache|no-store|no-transform|no-cache, no-transform"),
        ("openai-version", r"\d{4}-\d{2}-\d{2}"),
    )
)
"""Headers that are kept where their value is of the form that belongs to them."""

ID_HEADERS: Final = _words("x-request-id request-id x-oai-request-id cf-ray")
"""Headers whose values are numbered as ids are."""
