"""``packyproxy translate``: what a request becomes; with ``--response``, what an upstream's answer becomes.

stdin is translated to stdout by the parts that serve requests; nothing is sent anywhere. What is said about
the translation goes to stderr, so stdout may be piped on. Content appears here because it was asked for.
"""

import sys
import time
from collections.abc import Iterable
from typing import BinaryIO, Final

import msgspec
from msgspec.structs import replace

from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.config import Config, config_from_mapping
from packyproxy.config.reading import discover_config
from packyproxy.errors import CapabilityMissing, ConfigError, Failure, InvalidRequest
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.transcode import Transcoder
from packyproxy.translate import (
    PROTOCOLS,
    ClientProtocol,
    ClientRequest,
    StreamFacts,
    StreamWriter,
    Target,
    Translation,
    failure_response,
)
from packyproxy.translate.session import prompt_cache_key, session_key

__all__ = ["translate"]

_ASSUMED: Final = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "requires-openai-auth": False,
    }
}
_ASSUMED_MODEL: Final = "gpt-5"
_SAMPLE: Final = {
    "messages": [{"role": "user", "content": "."}],
    "input": ".",
    "max_tokens": 1,
    "stream": True,
    "stream_options": {"include_usage": True},
}
"""A request in any protocol, as each takes no notice of what only others know."""
_ANSWER_ID: Final = "translated"
"""After the prefix that ids of the protocol have."""
_REQUEST_ID: Final = "req_translated"
_LARGEST_READ: Final = 64 * 1024


def translate(
    path: str | None, *, protocol: str = "messages", model: str | None = None, is_response: bool = False
) -> int:
    """Translate stdin to stdout.

    Args:
        path: of the configuration, which only a request needs; without any a plain provider is assumed.
        protocol: the client's.
        model: takes the place of the request's; for an answer, the name it repeats.
        is_response: stdin is an upstream's SSE stream; it is written on as it arrives.

    Raises:
        ConfigError: the configuration cannot be used.
        WrongUsage: there is no such protocol.
        CommandFailed: the request is refused, or the stream is broken.
    """
    spoken = _spoken(protocol)
    if sys.stdin.isatty():
        what = "an upstream's SSE stream" if is_response else "a request"
        _say(f"reads {what} from the terminal until Ctrl-D; usually: packyproxy translate < FILE")
    if is_response:
        _transcode(spoken, model or _ASSUMED_MODEL, sys.stdin.buffer, sys.stdout.buffer)
    else:
        _translate(spoken, _snapshot(path), sys.stdin.buffer.read(), model)
    return 0


def _spoken(name: str) -> ClientProtocol:
    """Return a protocol that models are asked in; what else is passed on is not translated."""
    known = {each: make() for each, make in PROTOCOLS.items()}
    asked = {each: protocol for each, protocol in known.items() if protocol.operation.is_stream}
    if name not in asked:
        raise WrongUsage(f"--from {name} is not spoken here; there is: {', '.join(asked)}")
    return asked[name]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _snapshot(path: str | None) -> Snapshot:
    """Return what the configuration amounts to, or what a plain one would."""
    config = _configured(path)
    if config is None or not config.enabled_providers:
        reason = "there is no configuration file" if config is None else "no provider is enabled"
        _say(f"{reason}: translated as for a provider with default settings")
        config = config_from_mapping(_ASSUMED)
    return Snapshot.build(config)


def _configured(path: str | None) -> Config | None:
    try:
        return discover_config(path).config
    except ConfigError as error:
        if any(problem.code != "no_file" for problem in error.problems):
            raise
        return None


def _translate(protocol: ClientProtocol, snapshot: Snapshot, body: bytes, model: str | None) -> None:
    try:
        request = protocol.read(body)
        name, target, translation = _translated(protocol, snapshot, request, model or request.model)
    except InvalidRequest as refusal:
        raise CommandFailed(f"the request is refused: {refusal.status}: {refusal.message}") from refusal
    effort = f" at effort {translation.effort}" if translation.effort else ""
    _say(f"for {name}: {target.model}{effort}")
    if translation.warnings:
        _say(f"left out or changed: {', '.join(translation.warnings)}")
    shown = msgspec.json.format(translation.body) if sys.stdout.isatty() else translation.body
    sys.stdout.buffer.write(shown + b"\n")
    sys.stdout.buffer.flush()


def _translated(
    protocol: ClientProtocol, snapshot: Snapshot, request: ClientRequest, model: str
) -> tuple[str, Target, Translation]:
    """Translate for the first candidate that can take such a request; returns its provider and it too."""
    candidates = snapshot.resolve(model).candidates
    session = session_key(
        {},
        request.session_hint,
        key_id="",
        model=candidates[0].model,
        opening=request.opening,
        cache_key_hint=request.cache_key,
    )
    refusal: CapabilityMissing | None = None
    for candidate in candidates:
        target = snapshot.providers[candidate.provider].target(
            candidate.model,
            candidate.efforts,
            suffix_effort=candidate.suffix_effort,
            default_effort=candidate.default_effort,
            named_effort=candidate.named_effort,
            prompt_cache_key=request.cache_key or prompt_cache_key(session, candidate.model),
        )
        try:
            return candidate.provider, target, protocol.to_responses(request, target)
        except CapabilityMissing as error:
            _say(f"{candidate.provider} lacks what the request needs and is passed over")
            refusal = refusal or error
    assert refusal is not None, "a resolution without candidates"
    raise refusal


def _sample_facts(protocol: ClientProtocol, model: str) -> StreamFacts:
    """Return what an answer must know of its request, as of one that wants to see everything."""
    request = protocol.read(msgspec.json.encode({"model": model, **_SAMPLE}))
    snapshot = Snapshot.build(config_from_mapping(_ASSUMED))
    _, _, translation = _translated(protocol, snapshot, request, _ASSUMED_MODEL)
    return replace(translation.stream_facts, thinking_is_visible=True, max_text_tokens=None)


def _transcode(protocol: ClientProtocol, model: str, source: BinaryIO, sink: BinaryIO) -> None:
    facts = _sample_facts(protocol, model)
    writer = protocol.writer(facts, answer_id=f"{protocol.answer_prefix}{_ANSWER_ID}", request_id=_REQUEST_ID)
    transcoder = Transcoder(writer, writes_start=True)
    for frames in _frames(transcoder, source):
        sink.write(frames)
        sink.flush()
    for note in transcoder.notes:
        _say(f"note: {note.kind}{f' {note.detail}' if note.detail else ''}")
    failure = transcoder.failure
    if failure is not None:
        if writer.has_content:
            sink.write(_error_frame(protocol, writer, failure))
            sink.flush()
        raise CommandFailed(f"the stream is broken: {failure.kind.value}: {failure.message}")


def _frames(transcoder: Transcoder, source: BinaryIO) -> Iterable[bytes]:
    """Yield the client's bytes for each read of the upstream's, however little came."""
    read = getattr(source, "read1", source.read)
    while not transcoder.is_over and (chunk := read(_LARGEST_READ)):
        yield transcoder.feed(chunk)
    yield transcoder.finish()


def _error_frame(protocol: ClientProtocol, writer: StreamWriter, failure: Failure) -> bytes:
    """Write what a client is told that has seen content already."""
    error = failure_response(
        failure, protocol.family, request_id=_REQUEST_ID, now=time.time(), in_stream=True
    )
    return writer.fail(error.status, error.body)
