"""What is measured beside the proxy does the same work, or is not measured."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_the_same_content_is_found_in_every_protocol() -> None:
    """Text, reasoning and the arguments of tool calls, put together from the events of each surface."""
    _run(
        "from rig.said import Said, said_in\n"
        "answers = {\n"
        "    'messages': (\n"
        '        \'{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"Hm."}}\',\n'
        '        \'{"type":"content_block_delta","delta":{"type":"text_delta","text":"Yes"}}\',\n'
        '        \'{"type":"content_block_delta","delta":{"type":"text_delta","text":"!"}}\',\n'
        '        \'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{}"}}\',\n'
        "    ),\n"
        "    'chat': (\n"
        '        \'{"choices":[{"delta":{"reasoning_content":"Hm."}}]}\',\n'
        '        \'{"choices":[{"delta":{"role":"assistant","content":"Yes"}}]}\',\n'
        '        \'{"choices":[{"delta":{"content":"!"}}]}\',\n'
        '        \'{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}\',\n'
        '        \'{"choices":[{"delta":{}}]}\',\n'
        "        '[DONE]',\n"
        "    ),\n"
        "    'responses': (\n"
        '        \'{"type":"response.reasoning_summary_text.delta","delta":"Hm."}\',\n'
        '        \'{"type":"response.output_text.delta","delta":"Yes!"}\',\n'
        '        \'{"type":"response.function_call_arguments.delta","delta":"{}"}\',\n'
        "    ),\n"
        "}\n"
        "for surface, events in answers.items():\n"
        "    stream = ''.join(f'event: x\\ndata: {event}\\n\\n' for event in events).encode()\n"
        "    assert said_in(stream) == Said('Yes!', 'Hm.', '{}'), surface\n"
    )


def test_without_a_peer_nothing_is_measured() -> None:
    """The question about peers says how to get one instead."""
    printed = _run("import asyncio, peers; assert [] == asyncio.run(peers.measure(quick=True))")
    assert "pip install 'litellm[proxy]'" in printed


def test_a_peer_that_nobody_knows_is_refused() -> None:
    """With the names of those that are known."""
    printed = _run(
        "import asyncio, peers\n"
        "try:\n"
        "    asyncio.run(peers.measure(quick=True, peers={'nginx': '/usr'}))\n"
        "except SystemExit as refusal:\n"
        "    print(refusal)\n"
    )
    assert "no such peer: nginx; there are litellm\n" == printed


def _run(program: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n{program}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stderr
    return run.stdout
