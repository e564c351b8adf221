"""What every client protocol provides, and what passes between the translation and its surroundings.

A client protocol is one folder beside this file and one line in ``translate.protocols``. It turns a client
request into a Responses request for one *target* (an attempt at one provider), and the upstream's events into
client bytes. Everything here is pure: ids and facts about the provider come in as arguments, and nothing is
logged.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, Self

from msgspec import Struct

from packyproxy.errors import Failure
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.reasoning import scope_of
from packyproxy.wire.responses_events import Usage

__all__ = [
    "NOTHING_LEARNED",
    "AttemptFacts",
    "Capabilities",
    "ClientProtocol",
    "ClientRequest",
    "Family",
    "FramePasser",
    "LoneTaker",
    "Note",
    "Operation",
    "StreamFacts",
    "StreamWriter",
    "Target",
    "Translation",
]

Family = Literal["anthropic", "openai"]
"""Whose error bodies, headers and model lists a client expects (wire-mapping 8.1, 10.1)."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a provider accepts; the defaults are what a codex relay accepts (wire-mapping 0.2)."""

    max_output_tokens: bool = False
    sampling: bool = False
    web_search: bool = True
    tool_output_media: bool = True
    item_ids: bool = False
    phase: Literal["auto", "on", "off"] = "auto"
    system_as: Literal["instructions", "developer"] = "instructions"
    compact: bool | None = None
    """Whether ``/responses/compact`` exists; None: found out on first use."""


class Operation(Struct, frozen=True, kw_only=True):
    """What a protocol asks of its upstream; by default an answer that streams."""

    path: str = "/responses"
    """Below the provider's base URL."""
    is_stream: bool = True
    """Whether an event stream is asked for; else one JSON document."""
    silence_seconds: float | None = None
    """How long the upstream may be silent, before and within its answer; None: the usual limits."""


_STREAMING = Operation()


class Target(Struct, frozen=True, kw_only=True):
    """The provider and model that one attempt is translated for."""

    model: str
    """The upstream's model id."""
    scope: str
    """Marks reasoning that this provider and model can decrypt: 10 hex digits (wire-mapping 2.2)."""
    efforts: tuple[str, ...]
    """Values of ``reasoning.effort`` this model takes, weakest first."""
    suffix_effort: str | None = None
    """Effort asked for in the model name; beats every other source (wire-mapping 1.6 row 1)."""
    default_effort: str | None = None
    """Effort of the alias or of the provider's defaults (wire-mapping 1.6 row 6)."""
    named_effort: str | None = None
    """The same without the provider's defaults: what goes with the name that the client asked for."""
    capabilities: Capabilities = Capabilities()
    buffered_tools: frozenset[str] = frozenset({"Read"})
    """Tools whose arguments are sent in one piece, mended (wire-mapping 4.7)."""
    prompt_cache_key: str | None = None
    provider_scope: str = ""
    """Marks what belongs to this provider whatever the model: 10 hex digits (wire-mapping 12.3)."""
    chat_reasoning: bool = True
    """Whether Chat clients are shown reasoning summaries (wire-mapping 6.1)."""
    requested_model: str = ""
    """The model string as the client sent it."""

    @classmethod
    def for_model(
        cls,
        model: str,
        *,
        provider: str = "",
        default_effort: str | None = None,
        capabilities: Capabilities = Capabilities(),
    ) -> Self:
        """Describe a model by what is built in, where no configuration says more.

        Args:
            model: the upstream's model id, without an effort.
            provider: any text that tells providers apart, usually the base URL: encrypted reasoning goes back
                to the provider and model that made it, and to nobody else.
            default_effort: where the request asks for none.
            capabilities: what the provider accepts.
        """
        return cls(
            model=model,
            scope=scope_of(provider, model),
            efforts=allowed_efforts(model),
            default_effort=default_effort,
            capabilities=capabilities,
            provider_scope=scope_of(provider, ""),
        )


class AttemptFacts(Struct, frozen=True, kw_only=True):
    """What earlier attempts taught about this target (wire-mapping 0.2, 1.6, 2.4)."""

    removed_parameters: frozenset[str] = frozenset()
    without_reasoning: bool = False
    """Send no reasoning items at all: the recovery of wire-mapping 2.4."""
    is_refused_reasoning: Callable[[str], bool] | None = None
    """Tells of an ``encrypted_content`` whether this scope has refused it before."""
    effort_override: str | None = None
    """The value that ``reasoning.effort`` was stepped to after a refusal."""
    is_first_asked: bool = True
    """Whether nobody else was asked about this request before."""
    route_is_missing: bool = False
    """Whether the provider has answered before that it does not have this operation's path."""


NOTHING_LEARNED = AttemptFacts()
"""What is known before the first attempt."""


class StreamFacts(Struct, frozen=True, kw_only=True):
    """What the response direction must know of the request it answers; protocols add what only they need."""

    model: str
    """The model string as the client sent it; echoed in the answer."""
    scope: str
    original_names: Mapping[str, str]
    """Mapped tool name -> the client's own; names that are not in it pass unchanged (wire-mapping 3.1)."""
    thinking_is_visible: bool = False
    """Whether the client is shown reasoning, in whatever form its protocol has for it."""
    stop_sequences: tuple[str, ...] = ()
    max_text_tokens: int | None = None
    """The local limit of wire-mapping 1.9; None when the upstream enforces it or it does not apply."""
    input_tokens_estimate: int = 0


class Translation(Struct, frozen=True, kw_only=True):
    """A client request as one provider gets it."""

    body: bytes
    """The bytes to send upstream."""
    effort: str | None
    warnings: tuple[str, ...]
    """Unique tokens of what was dropped or changed, for ``x-packyproxy-warnings`` (wire-mapping 12.4)."""
    stream_facts: StreamFacts
    count_tokens: Callable[[], int] = int
    """Returns ``tokens``. For a large request it takes nearly as long as the translation, and it holds on to
    what was translated: whoever has the count lets go of this."""
    limits_output: bool = False
    """Whether the upstream is given a limit of the answer, which it may count as input."""
    reasoning: tuple[str, ...] = ()
    """Each ``encrypted_content`` sent that could be left out: remembered when the upstream refuses them."""
    has_compaction: bool = False
    """Whether encrypted history is sent that cannot be left out (wire-mapping 7.2)."""

    def __repr__(self) -> str:
        return f"Translation(body={len(self.body)} bytes)"

    @property
    def tokens(self) -> int:
        """Our own count of the input tokens (wire-mapping 9), before it is corrected by experience."""
        return self.count_tokens()


class Note(Struct, frozen=True):
    """Something in an upstream stream that deserves a log line; never content."""

    kind: Literal["unknown_event", "unparsable_data", "contradicting_text", "ignored_item"]
    detail: str = ""
    """An upstream type name cut to 64 safe characters, or empty."""


class ClientRequest(Protocol):
    """The part of a decoded client request that is the same in every protocol."""

    @property
    def model(self) -> str:
        """The model string as sent."""
        ...

    @property
    def is_stream(self) -> bool:
        """Whether the client asked for an SSE answer."""
        ...

    @property
    def session_hint(self) -> str | None:
        """A session id found in the body (wire-mapping 0.3), or None."""
        ...

    @property
    def is_prewarm(self) -> bool:
        """Whether the request is answered locally and empty, without an upstream call (``max_tokens: 0``)."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """The limit of the answer that the client asked for, for error texts."""
        ...

    @property
    def cache_key(self) -> str | None:
        """The ``prompt_cache_key`` that the client sent, which the upstream gets as it is."""
        ...

    def opening(self) -> bytes:
        """Return what tells conversations apart when nothing names them: system and first user text."""
        ...


class StreamWriter(Protocol):
    """Turns the events of one upstream stream into the client's frames; one object per attempt.

    Each method returns the bytes to write now, ``b""`` for none. After ``is_finished`` nothing more is
    returned.
    """

    @property
    def has_content(self) -> bool:
        """Whether a frame that shows model output was returned: "first content" of wire-mapping 0.5."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether the answer ended well: the call that returned its last bytes made it so."""
        ...

    @property
    def failure(self) -> Failure | None:
        """What the upstream said went wrong, once it did; the caller chooses to retry or to ``fail``."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The upstream's own numbers, once known."""
        ...

    @property
    def notes(self) -> list[Note]:
        """Findings since the start, in order."""
        ...

    @property
    def decode(self) -> Callable[[bytes], Any]:
        """How the data of one upstream frame is read: what it returns, ``event`` takes.

        Never raises: ``UnknownEvent`` and ``UnparsableEvent`` of ``wire.responses_events`` stand for what
        means nothing.
        """
        ...

    @property
    def fails_in_stream(self) -> bool:
        """Whether its failure is told by ``fail`` although the status line could still tell it."""
        ...

    def start(self) -> bytes:
        """Write the frames that precede any content, e.g. ``message_start`` and ``ping``."""
        ...

    def event(self, event: Any) -> bytes:
        """Take one upstream event as ``decode`` returned it."""
        ...

    def take_document(self, document: bytes) -> bytes | None:
        """Take an answer that came as one JSON document; None: it stands for a stream, to be replayed."""
        ...

    def upstream_ended(self, *, said_done: bool) -> bytes:
        """Take the end of the upstream's bytes; ``said_done`` tells whether ``data: [DONE]`` was seen."""
        ...

    def answer_locally(self) -> bytes:
        """Write the whole ending of an answer that needs no upstream (``is_prewarm``)."""
        ...

    def fail(self, status: int, body: bytes) -> bytes:
        """Write an error once the status line is spent; ``body`` is the error's (wire-mapping 8.6)."""
        ...

    def keep_alive(self) -> bytes:
        """Write the frame that only shows life."""
        ...


class FramePasser(Protocol):
    """What a writer can do besides whose frames are the upstream's own."""

    def pass_on(self, frames: bytes) -> bool:
        """Tell whether whole frames may go to the client as they are; if not, each is given to ``event``."""
        ...

    def runs(self, frames: bytes) -> list[bytes]:
        """Cut whole frames that may not where some of them may."""
        ...


class LoneTaker(Protocol):
    """What a writer can do besides that knows the usual delta at a glance."""

    def take_lone(self, read: bytes) -> bytes:
        """Take a read that is surely one whole delta of those that are being written, and nothing else.

        Returns:
            What ``event`` would return for it; nothing for a read that may be anything else, which then is to
            be taken apart as usual.
        """
        ...


class ClientProtocol(Protocol):
    """One client-facing wire format; most of them keep the answers that stand here."""

    name: str
    """``messages``, ``chat`` or ``responses``, or what else the upstream is asked for."""
    family: Family
    """Whose error shape and headers the clients expect."""
    path: str
    """Where its requests are posted, e.g. ``/v1/messages``."""
    counting_path: str | None = None
    """Where its clients have their tokens counted; None: nowhere."""
    storing_path: str | None = None
    """Where its clients ask for answers that were stored, to be told that none are; None: nowhere."""
    answer_prefix: str
    """What the id of an answer begins with, e.g. ``msg_``."""
    operation: Operation = _STREAMING
    """What the upstream is asked for."""
    keeps_upstream_errors: bool = False
    """Whether its clients are shown the upstream's own error object (wire-mapping 7.3)."""

    def read(self, body: bytes, *, counting: bool = False) -> ClientRequest:
        """Decode and check a request body.

        Args:
            body: the decompressed bytes.
            counting: the request is posted to ``counting_path``, where less is required.

        Raises:
            InvalidRequest: the body is not JSON, or a field is wrong.
        """
        ...

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Translate for one attempt; deterministic.

        Raises:
            InvalidRequest: the request holds something that no provider can be given.
        """
        ...

    def writer(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> StreamWriter:
        """Return a fresh writer for one attempt; all attempts of a request have one ``answer_id``."""
        ...

    def fold(self, frames: bytes) -> bytes:
        """Fold a whole client stream into the JSON body of the non-stream answer (wire-mapping 5.1).

        Args:
            frames: all that a writer returned whose answer ended well; of any other there is no answer.
        """
        ...

    def write_token_count(self, facts: StreamFacts) -> bytes:
        """Write the JSON body that tells ``facts.input_tokens_estimate`` (wire-mapping 9)."""
        raise AssertionError("only a protocol with a counting_path is asked for counts")

    def upstream_headers(self, headers: Mapping[str, str], target: Target) -> Mapping[str, str]:
        """Choose which of the client's headers travel upstream, and as what (wire-mapping 12.3)."""
        return {}

    def answer_headers(self, headers: Mapping[str, str], target: Target) -> tuple[tuple[str, str], ...]:
        """Choose which of the upstream's headers the client is given, and as what (wire-mapping 12.4)."""
        return ()

    def judge(self, failure: Failure) -> Failure:
        """Say what a failure means for this operation."""
        return failure
