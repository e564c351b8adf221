"""Time limits and the client's leaving end what runs under a watch, and nothing else does."""

import asyncio

import pytest

from packyproxy.errors import ClientLeft
from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.serving.watch import Aborted, Watch
from packyproxy.runtime.time_limits import TimeLimits

pytestmark = pytest.mark.virtual_time


class Scene:
    """A watch with a client that leaves when told and interjections that are recorded."""

    def __init__(self, *, is_stream: bool = True) -> None:
        self.left = asyncio.Event()
        self.interjections: list[tuple[float, Due]] = []
        self.loop = asyncio.get_running_loop()
        self.started_at = self.loop.time()
        self.deadlines = Deadlines(TimeLimits(), accepted_at=self.started_at, is_stream=is_stream)

    @property
    def elapsed(self) -> float:
        return self.loop.time() - self.started_at

    async def wait_gone(self) -> None:
        await self.left.wait()

    async def interject(self, due: Due) -> None:
        self.interjections.append((round(self.elapsed, 2), due))
        self.deadlines.is_committed = True
        self.deadlines.last_write_at = self.loop.time()

    def watch(self) -> Watch:
        return Watch(self.deadlines, wait_gone=self.wait_gone, interject=self.interject)


async def test_the_clients_leaving_aborts_what_waits() -> None:
    """A wait inside an abortable block ends as soon as the client is gone."""
    scene = Scene()
    scene.loop.call_later(3, scene.left.set)
    async with scene.watch() as watch:
        with pytest.raises(Aborted) as news, watch.abortable():
            await asyncio.sleep(1000)
    assert news.value.due is Due.CLIENT_GONE
    assert scene.elapsed == pytest.approx(3, abs=0.01)


async def test_a_client_that_left_between_blocks_aborts_the_next_one() -> None:
    """Nothing is begun for a client that is gone."""
    scene = Scene()
    async with scene.watch() as watch:
        scene.left.set()
        await asyncio.sleep(1)
        with pytest.raises(Aborted), watch.abortable():
            pytest.fail("the block must not run")


async def test_an_idle_upstream_aborts_after_its_limit() -> None:
    """Idleness is measured from the last read, also when that moved after the timer was set."""
    scene = Scene(is_stream=False)

    async def read_once() -> None:
        scene.deadlines.headers_received(scene.loop.time())
        await asyncio.sleep(200)
        scene.deadlines.last_read_at = scene.loop.time()
        await asyncio.sleep(1000)

    async with scene.watch() as watch:
        with pytest.raises(Aborted) as news, watch.abortable():
            await read_once()
    assert news.value.due is Due.IDLE_TIMEOUT
    assert scene.elapsed == pytest.approx(500, abs=0.01)


async def test_an_upstreams_limit_is_spent_by_the_attempt_it_ended() -> None:
    """The next attempt starts with a clean watch."""
    scene = Scene(is_stream=False)
    async with scene.watch() as watch:
        scene.deadlines.start_attempt(scene.loop.time())
        with pytest.raises(Aborted), watch.abortable():
            await asyncio.sleep(1000)
        scene.deadlines.end_attempt()
        with watch.abortable():
            await asyncio.sleep(1000)
    assert scene.elapsed == pytest.approx(1120, abs=0.01)


async def test_commit_and_keep_alives_come_at_their_times() -> None:
    """A silent stream is committed at 15 s and kept alive every 15 s after."""
    scene = Scene()
    async with scene.watch() as watch:
        with watch.abortable():
            await asyncio.sleep(50)
    assert scene.interjections == [(15.0, Due.COMMIT), (30.0, Due.KEEP_ALIVE), (45.0, Due.KEEP_ALIVE)]


async def test_a_foreign_cancellation_passes() -> None:
    """A server that cancels the request is obeyed: the cancellation is not taken for news of ours."""
    scene = Scene()

    async def exchange() -> None:
        async with scene.watch() as watch:
            with watch.abortable():
                await asyncio.sleep(1000)

    task = asyncio.create_task(exchange())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_watch_leaves_no_task_and_no_timer_behind() -> None:
    """A round of the loop after the block only the test itself is running."""
    scene = Scene()
    async with scene.watch():
        await asyncio.sleep(1)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_task_is_not_left_cancelling_after_an_abort() -> None:
    """An abort is taken back whole, so that timeouts of the host around it still work."""
    scene = Scene()
    scene.loop.call_later(1, scene.left.set)
    async with scene.watch() as watch:
        with pytest.raises(Aborted), watch.abortable():
            await asyncio.sleep(1000)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_nothing_comes_between_the_last_frames() -> None:
    """Once the answer is being written, neither a commit nor a keep-alive is due."""
    scene = Scene()
    async with scene.watch() as watch:
        with watch.answering():
            await asyncio.sleep(50)
    assert scene.interjections == []


async def test_a_limit_that_passed_unseen_does_not_stop_the_answer() -> None:
    """What ends an attempt may not end the telling of its outcome."""
    scene = Scene(is_stream=False)
    async with scene.watch() as watch:
        scene.deadlines.start_attempt(scene.loop.time())
        await asyncio.sleep(130)
        with watch.answering():
            await asyncio.sleep(1)
    assert scene.elapsed == pytest.approx(131, abs=0.01)


async def test_an_interjection_that_finds_the_client_gone_aborts() -> None:
    """Some servers tell of a lost client only on the next write."""
    scene = Scene()

    async def interject(_: Due) -> None:
        raise ClientLeft

    watch = Watch(scene.deadlines, wait_gone=scene.wait_gone, interject=interject)
    async with watch:
        with pytest.raises(Aborted) as news, watch.abortable():
            await asyncio.sleep(1000)
    assert (news.value.due, round(scene.elapsed)) == (Due.CLIENT_GONE, 15)


async def test_an_interjection_cut_short_sets_no_timer() -> None:
    """The end of the exchange is the end of its timer, whatever was being written."""
    scene = Scene()

    async def interject(_: Due) -> None:
        await asyncio.sleep(1000)

    watch = Watch(scene.deadlines, wait_gone=scene.wait_gone, interject=interject)
    async with watch:
        await asyncio.sleep(20)
    await asyncio.sleep(1000)
    assert not watch.interjection


async def test_nothing_follows_the_last_byte() -> None:
    """An upstream that is slow to close brings no keep-alive after the end of the answer."""
    scene = Scene()
    async with scene.watch() as watch:
        with watch.abortable():
            watch.let_client_go()
            scene.left.set()
            await asyncio.sleep(50)
    assert scene.interjections == []
