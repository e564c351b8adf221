"""The rules of ``conftest.py`` really hold."""

import asyncio
import socket
import time

import pytest

import packyproxy


@pytest.mark.virtual_time
async def test_virtual_time_passes_hours_at_once() -> None:
    """A deadline of an hour passes without an hour."""
    started = time.perf_counter()
    before = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() - before == pytest.approx(3600)
    assert time.perf_counter() - started < 5


@pytest.mark.virtual_time
async def test_virtual_time_keeps_the_order_of_timers() -> None:
    """Timers fire in the order of their deadlines, not of their creation."""
    fired: list[float] = []

    async def fire(after: float) -> None:
        await asyncio.sleep(after)
        fired.append(after)

    await asyncio.gather(fire(300), fire(15), fire(120.5))
    assert fired == [15, 120.5, 300]


@pytest.mark.virtual_time
async def test_virtual_time_waits_for_threads() -> None:
    """Work in a thread is finished before the clock jumps to a timeout."""
    async with asyncio.timeout(1):
        assert await asyncio.to_thread(lambda: 42) == 42


async def test_other_tests_have_a_real_clock() -> None:
    """Without the marker the loop's clock is the machine's."""
    assert asyncio.get_running_loop().time() == pytest.approx(time.monotonic(), abs=1)


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 80)], ids=["address", "name"])
def test_connections_beyond_loopback_are_refused(address: tuple[str, int]) -> None:
    """No test can reach the network, whatever it tries."""
    with socket.socket() as sock, pytest.raises(RuntimeError, match="beyond loopback"):
        sock.connect(address)


def test_names_are_not_looked_up() -> None:
    """Name resolution fails at once, as it does without a network."""
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.com", 80)


async def test_blocking_under_packyproxy_frames_is_an_error() -> None:
    """A sleep called from a packyproxy file inside a running loop is found out."""
    code = compile("import time\ntime.sleep(0.0001)", packyproxy.__file__, "exec")
    with pytest.raises(Exception, match=r"Blocking call to time\.sleep"):
        exec(code, {})


async def test_blocking_in_test_code_is_allowed() -> None:
    """A test may block as it likes: only the product is watched."""
    time.sleep(0.0001)  # noqa: ASYNC251 - the point of this test
