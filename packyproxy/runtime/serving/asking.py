"""Ask the candidates of one plan in turn, until one gives a whole answer (wire-mapping 0.5, 8.3).

Each candidate is asked as often as its failures can be mended or repeated (``.inquiry``); then the next
one is. Nobody is asked any more once content was shown to the client.
"""

import asyncio
from collections.abc import Callable, Sequence

from packyproxy.errors import CapabilityMissing, Failure, Tried
from packyproxy.runtime.hooks import RouteDecision
from packyproxy.runtime.identity import new_answer_id
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.observation.journal import log_hedge, log_notes
from packyproxy.runtime.plan import Plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.serving.attempt import Attempt, Clock, Guard, Take
from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.serving.inquiry import Inquiry
from packyproxy.runtime.serving.outcome import Outcome
from packyproxy.runtime.serving.race import Race
from packyproxy.runtime.serving.watch import Aborted, Watch
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import ClientRequest
from packyproxy.translate.failure_choice import most_useful
from packyproxy.usage.records import AttemptRecord
from packyproxy.usage.tokens import tokens_of

__all__ = ["Asking"]

_CLOCK_TICK = 0.001
"""uvloop's clock moves in milliseconds, and no attempt takes no time at all."""


class Asking:
    """Who is asked about one request, and how that goes.

    Args:
        runtime: whose routing decides the order and hears how it went.
        plan: the request's candidates.
        request: the client's; let go with the first content that is shown.
        inbound: the facts of the client's headers.
        deadlines: the exchange's.
        outcome: told who is asked.
        start_over: called when what an attempt gave counts no more, since another one follows.
        takes_breaths: whether others have their turn between the steps to an attempt, as they are long ones.
    """

    def __init__(
        self,
        runtime: Runtime,
        plan: Plan,
        request: ClientRequest,
        *,
        inbound: Inbound,
        deadlines: Deadlines,
        outcome: Outcome,
        start_over: Callable[[], None],
        takes_breaths: bool = False,
    ) -> None:
        self._runtime = runtime
        self._routing = runtime.routing
        self._audit = runtime.audit
        self._recorder = runtime.recorder
        self._config = inbound.snapshot.config
        self._plan = plan
        self._request: ClientRequest | None = request
        self._request_id = inbound.request_id
        self._client_headers = inbound.headers
        self._answer_id = new_answer_id(plan.protocol.answer_prefix)
        self._deadlines = deadlines
        self._outcome = outcome
        self._start_over = start_over
        self._takes_breaths = takes_breaths
        self._time = asyncio.get_running_loop().time
        self._has_choice = len(plan.providers) > 1
        self._order: Sequence[int] = range(len(plan.providers))
        self._line = list(reversed(self._order))
        """The candidates still to be asked, the next one last."""
        self._probes: frozenset[int] = frozenset()
        self._passed: list[int] = []
        self._turns = 0
        """How many candidates were turned to so far."""
        self._is_shown = False
        self._lacks_some = False
        """Whether a candidate was skipped for what it cannot do."""
        self._failed: list[tuple[Tried, Inquiry]] = []
        self.inquiry: Inquiry | None = None
        """Who is asked now; of two at once, who showed content; in the end, whose failure is told."""
        self.tried: list[Tried] = []
        """Who could not serve the request so far: passed over, or asked in vain."""

    @property
    def current(self) -> Inquiry:
        """Who is asked now, or whose failure is told, where somebody surely was asked."""
        assert self.inquiry is not None, "nobody was asked"
        return self.inquiry

    async def line_up(self) -> None:
        """Decide who is asked in which order, and note who is passed over; else all are, in their order."""
        choice = await self._routing.choose(self._plan, self._config.routing)
        self._order = choice.order
        self._line = list(reversed(choice.order))
        if choice.probes or choice.passed:
            self._probes = choice.probes
            self._passed = [passed.index for passed in choice.passed]
            self.tried = [self._routing.passed_over(self._plan, passed) for passed in choice.passed]

    async def next(self) -> Inquiry | None:
        """Return the next candidate, translated for and ready to be asked; None when nobody is left.

        Raises:
            InvalidRequest: nobody was asked, and nobody could be, now or later: the request cannot be
                translated.
        """
        request = self._request
        assert request is not None, "asked on after content was shown"
        lacking: CapabilityMissing | None = None
        while self._line:
            index = self._line.pop()
            if self._takes_breaths:
                await asyncio.sleep(0)
            try:
                inquiry = self._inquire(index, request)
            except CapabilityMissing as error:
                lacking, self._lacks_some = error, True
                continue
            if self._takes_breaths:
                await asyncio.sleep(0)
            inquiry.get_ready()
            if self._takes_breaths:
                await asyncio.sleep(0)
            if index in self._probes:
                if passed := await self._routing.claim_probe(inquiry.provider):
                    self.tried.append(passed)
                    self._passed.append(index)
                    continue
                inquiry.is_probe = True
            if self.inquiry is None:
                self.inquiry = inquiry
            return inquiry
        if lacking is not None and self.inquiry is None and not self._may_be_served_later(request):
            raise lacking
        return None

    def _inquire(self, index: int, request: ClientRequest) -> Inquiry:
        return Inquiry(
            self._runtime,
            self._plan,
            index,
            request,
            answer_id=self._answer_id,
            request_id=self._request_id,
            client_headers=self._client_headers,
            is_first=self.inquiry is None,
        )

    def _may_be_served_later(self, request: ClientRequest) -> bool:
        """Tell whether somebody who is passed over now can do what the request needs."""
        for index in self._passed:
            try:
                self._inquire(index, request)
            except CapabilityMissing:
                continue
            return True
        return False

    async def run(self, inquiry: Inquiry, watch: Watch, take: Take) -> Sequence[Tried]:
        """Ask one candidate after the other; return nothing after a whole answer, else who failed."""
        hedge_after = self._config.routing.hedge_after
        while True:
            self.inquiry = inquiry
            earlier = len(self._failed)
            if hedge_after is not None and self._line:
                answered = await self._race(inquiry, watch, take, hedge_after)
            else:
                failure = await self._ask(inquiry, watch, self._deadlines, take)
                answered = inquiry if failure is None else None
            if answered is not None:
                await self._note_success(answered)
                return ()
            if self._is_shown:
                return self.tried[-1:]
            failed = self._failed[earlier:]
            self.inquiry = self._most_useful()
            if not all(asked.fails_over(one.failure) for one, asked in failed):
                return self.tried
            self._start_over()
            following = await self.next()
            if following is None:
                return self.tried
            last, _ = failed[-1]
            self._audit.failover(
                last.provider, following.provider.name, last.failure, request_id=self._request_id
            )
            self._recorder.failed_over(last.provider)
            inquiry = following

    async def _race(self, inquiry: Inquiry, watch: Watch, take: Take, hedge_after: float) -> Inquiry | None:
        """Ask a second candidate when the first is slow (``routing.hedge-after``); returns who answered."""
        asked = [inquiry]

        async def second() -> Inquiry | None:
            another = await self.next()
            asked.extend([another] if another else [])
            return another

        race = Race(
            self._ask,
            take,
            deadlines=self._deadlines,
            limits=self._deadlines.limits,
            on_win=self._note_win,
        )
        try:
            winner = await race.run(inquiry, second, hedge_after_seconds=hedge_after, watch=watch)
        except BaseException:
            for each in asked:
                await self._release(each)
            raise
        noted = {asked for _, asked in self._failed}
        for failed, failure in race.failures:
            if failed not in noted:  # cancelled for its slowness between two attempts
                await self._note_failure(failed, failure)
        for loser, seconds in race.cancelled:
            await self._release(loser)
            if race.winner is None:
                log_hedge(loser.provider.name, None, seconds, self._request_id)
            elif winner is None and not self._is_shown:
                self._line.insert(0, loser.index)  # nothing speaks against it but that somebody was quicker
        return winner

    async def _ask(self, inquiry: Inquiry, guard: Guard, clock: Clock, take: Take) -> Failure | None:
        """Ask one candidate until it answers (None) or is not worth asking again (its failure, noted)."""
        self._turns += 1
        if self._runtime.hooks.on_route is not None:
            self._runtime.hooks.route(self._decision(inquiry))
        if inquiry.is_probe:
            take = self._reporting(inquiry, take)
        try:
            while True:
                attempt = self._begin(inquiry, guard, clock, take)
                try:
                    failure = await attempt.run(inquiry.upstream_request())
                except BaseException:
                    self._record(inquiry, attempt, None, is_cut_off=True)
                    raise
                if failure is None:
                    self._record(inquiry, attempt, None)
                    return None
                failure = inquiry.judge(failure)
                self._record(inquiry, attempt, failure)
                self._audit.upstream_failure(
                    failure,
                    request_id=self._request_id,
                    provider=inquiry.provider.name,
                    model=inquiry.target.model,
                )
                if self._is_shown:
                    break
                seconds = inquiry.mend(failure, retries_allowed=self._config.request_retry)
                if seconds is None:
                    break
                self._start_over()
                if seconds and not await _wait(seconds, guard):
                    break
        except BaseException:  # whoever waits for the verdict on a probe will not hear of it
            await self._release(inquiry)
            raise
        await self._note_failure(inquiry, failure)
        return failure

    def _decision(self, inquiry: Inquiry) -> RouteDecision:
        """Return what the host is told of whom is turned to now."""
        plan = self._plan
        is_hedge = inquiry is not self.inquiry
        has_followed = bool(self._failed) and not is_hedge
        return RouteDecision(
            request_id=self._request_id,
            protocol=plan.protocol.name,
            requested_model=plan.resolution.requested,
            number=self._turns,
            provider=inquiry.provider.name,
            model=inquiry.target.model,
            effort=inquiry.effort,
            reasons=inquiry.candidate.reasons,
            candidates=tuple(plan.providers[index].name for index in self._order),
            after_failure=self._failed[-1][0].failure.kind.value if has_followed else None,
            is_hedge=is_hedge,
        )

    def _begin(self, inquiry: Inquiry, guard: Guard, clock: Clock, take: Take) -> Attempt:
        self._outcome.attempts += 1
        self._note_asked(inquiry)
        provider = inquiry.provider
        attempt = Attempt(
            self._runtime.upstream(provider),
            Transcoder(inquiry.writer),
            take=take,
            deadlines=clock,
            watch=guard,
            time=self._time,
            secrets=provider.secrets,
            take_headers=inquiry.take_headers,
        )
        inquiry.asked_at = self._time()
        return attempt

    def _record(
        self, inquiry: Inquiry, attempt: Attempt, failure: Failure | None, *, is_cut_off: bool = False
    ) -> None:
        """Note how an attempt went, whatever its end."""
        provider, sent_at, first_output_at = inquiry.provider, attempt.sent_at, attempt.first_output_at
        usage = inquiry.writer.usage
        inquiry.first_output_at = first_output_at
        inquiry.tokens = tokens_of(usage) if usage is not None else None
        self._recorder.attempt_ended(
            AttemptRecord(
                request_id=self._request_id,
                protocol=self._plan.protocol.name,
                provider=provider.name,
                provider_id=provider.id,
                model=inquiry.target.model,
                is_streaming=self._outcome.is_stream,
                sent_at=self._runtime.now() - (self._time() - sent_at),
                duration_seconds=(attempt.ended_at - sent_at) or _CLOCK_TICK,
                first_output_seconds=None if first_output_at is None else first_output_at - sent_at,
                stream_seconds=attempt.stream_seconds,
                gaps=attempt.gaps,
                tokens=inquiry.tokens,
                failure=None if failure is None else failure.kind,
                status=None if failure is None else failure.status,
                is_cut_off=is_cut_off,
            ),
            base_url=provider.base_url,
            is_log_wanted=self._config.tps_log,
        )
        if notes := attempt.notes:
            log_notes(notes, self._request_id, provider.name)

    def _reporting(self, inquiry: Inquiry, take: Take) -> Take:
        """Return ``take``, but say first that the probe shows content: nobody need wait for its end."""

        async def take_of_probe(data: bytes, *, is_last: bool) -> None:
            if inquiry.is_probe:
                await self._routing.probe_answers(inquiry.provider)
                inquiry.is_probe = False  # only now: cancelled before, it is given back
            await take(data, is_last=is_last)

        return take_of_probe

    async def _note_success(self, inquiry: Inquiry) -> None:
        inquiry.take_usage()
        await self._routing.succeeded(
            self._plan, inquiry.index, self._config.routing, takes_session=not self._lacks_some
        )

    async def _note_failure(self, inquiry: Inquiry, failure: Failure) -> None:
        inquiry.forget()
        tried = await self._routing.failed(
            inquiry.provider,
            inquiry.target.model,
            failure,
            is_probe=inquiry.is_probe,
            seconds_ago=self._time() - inquiry.asked_at,
            longest_cooldown_seconds=self._config.max_retry_interval,
        )
        self.tried.append(tried)
        self._failed.append((tried, inquiry))

    async def _release(self, inquiry: Inquiry) -> None:
        """Let somebody else probe a provider that this exchange will not hear of."""
        if inquiry.is_probe:
            await self._routing.release_probe(inquiry.provider)
            inquiry.is_probe = False

    def content_begins(self) -> None:
        """Take note that the first content is about to be shown; the request's content is let go.

        Nothing is asked again from now on, and streams last.
        """
        self._is_shown = True
        self._request = None
        self.note_first_content()
        self.current.forget()

    def note_first_content(self) -> None:
        """Take note of how long the current candidate took to give any content, where that may matter."""
        if not self._has_choice:
            return
        inquiry = self.current
        seconds = self._time() - inquiry.asked_at
        self._routing.answered_after(inquiry.provider, inquiry.target.model, seconds)

    def _most_useful(self) -> Inquiry:
        """Return whose failure the client would be told."""
        told = most_useful([one for one, _ in self._failed])
        return next(inquiry for one, inquiry in self._failed if one is told)

    def _note_win(self, winner: Inquiry, losers: Sequence[tuple[Inquiry, float]]) -> None:
        self.inquiry = winner
        self._note_asked(winner)
        now = self._time()
        for loser, seconds in losers:
            loser.forget()
            log_hedge(loser.provider.name, winner.provider.name, seconds, self._request_id)
            if loser.asked_at < winner.asked_at:
                # It would have taken longer still; but who had less time than the winner shows nothing.
                self._routing.answered_after(loser.provider, loser.target.model, now - loser.asked_at)

    def _note_asked(self, inquiry: Inquiry) -> None:
        self._outcome.asks(
            inquiry.provider.name,
            inquiry.target.model,
            effort=inquiry.effort,
            body_bytes=len(inquiry.translation.body),
        )


async def _wait(seconds: float, guard: Guard) -> bool:
    """Wait before a repeat; False when the request's own time is up first."""
    try:
        with guard.abortable():
            await asyncio.sleep(seconds)
    except Aborted as aborted:
        if aborted.due is not Due.TOTAL_TIMEOUT:
            raise
        return False
    return True
