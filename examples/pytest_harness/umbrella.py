"""An application that asks a model, as it is before anybody tests it: it knows nothing of packyproxy."""

from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam

WEATHER: ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def weather(city: object) -> str:
    """Look the weather up; the model decides when."""
    return f"rain in {city}"


def advice(client: Anthropic, question: str) -> str:
    """Ask the model, let it use the tool as often as it likes, and return what it says in the end."""
    messages: list[MessageParam] = [{"role": "user", "content": question}]
    while True:
        answer = client.messages.create(
            model="claude-sonnet-5", max_tokens=1000, tools=[WEATHER], messages=messages
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in answer.content if block.type == "text")
        results: list[ToolResultBlockParam] = [
            {"type": "tool_result", "tool_use_id": call.id, "content": weather(call.input["city"])}
            for call in calls
        ]
        messages.append({"role": "assistant", "content": answer.content})
        messages.append({"role": "user", "content": results})
