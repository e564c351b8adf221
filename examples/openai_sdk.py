"""Ask through the proxy with the OpenAI SDK: Chat Completions with a tool, then Responses as a stream.

Run: python examples/openai_sdk.py     (needs the ``openai`` package; nothing leaves the process)
With a proxy that runs: ``OpenAI(base_url="http://127.0.0.1:8317/v1", api_key="any-value")``, and no more.
"""

from packyproxy import PackyProxy
from packyproxy.testing import Call, FakeUpstream, StreamingASGITransport, Turn, sync_openai_client

CONFIG = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}
UPSTREAM = FakeUpstream([Turn(calls=[Call("weather", {"city": "Oslo"})]), "Sunny, so leave it at home"])


def main() -> None:
    """Print the tool call of one answer, then the text of another while it comes."""
    proxy = PackyProxy(CONFIG, transport=StreamingASGITransport(UPSTREAM))
    with sync_openai_client(proxy) as client:
        completion = client.chat.completions.create(
            model="gpt-5-low",
            messages=[{"role": "user", "content": "Do I need an umbrella in Oslo?"}],
            tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        )
        for call in completion.choices[0].message.tool_calls or []:
            if call.type == "function":
                print(call.function.name, call.function.arguments)

        with client.responses.stream(model="gpt-5", input="And in Rome?") as events:
            for event in events:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="", flush=True)
            print(f" ({events.get_final_response().model})")


if __name__ == "__main__":
    main()
