"""A tiny MCP server on stdin and stdout: one tool with a very long name, which repeats a word."""

import json
import sys
from typing import Any

TOOL = "say_a_word_under_a_name_that_is_longer_than_any_responses_api_would_ever_accept"


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one request."""
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "word-server", "version": "1"},
        }
    if method == "tools/list":
        schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
        return {"tools": [{"name": TOOL, "description": "Say a word.", "inputSchema": schema}]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"The word is {params['arguments']['word']}."}]}
    return {}


def main() -> None:
    """Answer requests, one JSON object per line, until the input ends; notifications have no id and no answer."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            result = answer(request["method"], request.get("params", {}))
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
