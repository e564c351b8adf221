"""The benchmarks keep up with the program they measure."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
PAGE = BENCHMARKS.parent / "docs" / "benchmarks.md"


def test_every_question_can_be_asked() -> None:
    """Each benchmark finds what it measures: none is forgotten when a name changes."""
    _run("import importlib, run; [importlib.import_module(question).measure for question in run.QUESTIONS]")


def test_every_surface_is_asked_in_its_own_words() -> None:
    """What the benchmarks post to each surface is a request of that protocol, for a streamed answer."""
    _run(
        "from packyproxy.translate.protocols import PROTOCOLS\n"
        "from rig.workloads import SURFACES\n"
        "for surface in SURFACES.values():\n"
        "    head, _, body = surface.request().partition(b'\\r\\n\\r\\n')\n"
        "    protocol = PROTOCOLS[surface.name]()\n"
        "    assert head.startswith(b'POST ' + protocol.path.encode())\n"
        "    assert protocol.read(body).is_stream and 25_000 < len(body) < 35_000\n"
    )


def test_observing_stops_and_begins_again() -> None:
    """What the benchmark of observability calls off records nothing of a streamed answer, and on records it."""
    _run(
        "import asyncio, httpx, tempfile\n"
        "from pathlib import Path\n"
        "from programs.observed_serve import Switch\n"
        "from packyproxy.app import PackyProxy\n"
        "from packyproxy.testing import FakeUpstream, StreamingASGITransport\n"
        "block = {'enabled': True, 'base-url': 'http://u.test/v1', 'credentials': {'openai-api-key': 'sk'}}\n"
        "hello = {'model': 'gpt-5', 'stream': True, 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "proxy = PackyProxy({'packycode': block}, transport=StreamingASGITransport(FakeUpstream('Hello.')))\n"
        "transport = StreamingASGITransport(proxy)\n"
        "async def ask():\n"
        "    async with httpx.AsyncClient(transport=transport, base_url='http://p.test') as client:\n"
        "        answer = await client.post('/v1/chat/completions', json=hello)\n"
        "    assert answer.text.endswith('data: [DONE]\\n\\n'), answer.text\n"
        "    recorder = proxy.runtime.recorder\n"
        "    return recorder.figures().requests, len(recorder.tps())\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    switch = Switch(Path(folder) / 'observing')\n"
        "    switch.turn_off()\n"
        "    assert asyncio.run(ask()) == (0, 0)\n"
        "    switch.turn_on()\n"
        "    assert asyncio.run(ask()) == (1, 1)\n"
    )


def test_growth_is_the_slope_of_a_line() -> None:
    """The soak run tells bytes per request: what grows by two per request has a slope of two."""
    _run("from soak import slope; assert slope([0, 10, 20], [7, 27, 47]) == 2.0")


def test_every_question_is_explained() -> None:
    """The page about benchmarks has a row for each question, and its table of goals names their commands."""
    questions = _run("import run; print(*run.QUESTIONS)").split()
    rows = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert set() == set(questions) - rows


def test_every_goal_is_told() -> None:
    """The page about benchmarks has a row for each of the nine goals, with the numbers that they are judged by."""
    goals = _run(
        "import goals\n"
        "from rig.figures import short\n"
        "for goal in vars(goals).values():\n"
        "    if isinstance(goal, goals.Goal) and goal.name.startswith('G') and goal.limit >= 1:\n"
        "        print(goal.name, short(goal.limit))\n"
    )
    rows = {line[2:4]: line for line in PAGE.read_text().splitlines() if line.startswith("| G")}
    missing = [line for line in goals.splitlines() if line.split()[1] not in rows.get(line[:2], "")]
    assert [f"G{number}" for number in range(1, 10)] == sorted(rows)
    assert [] == missing


def test_the_worst_figure_decides_over_a_goal() -> None:
    """A goal is judged by the figure nearest to its limit or furthest beyond it, and the worst goal comes last."""
    lines = _verdicts(
        "('near', [1.2], goals.SINGLE_EVENTS), ('beyond', [1.9, 2.0, 9.0], goals.SMALL_REQUESTS), "
        "('far', [1.1], goals.SINGLE_EVENTS), ('free', [99.0], None)"
    )
    assert [
        "G1 met: 1.2x the pump at worst (near), at most 1.3",
        "G3 missed: 2x the pump at worst (beyond), at most 1.5",
    ] == lines


def test_anything_is_too_much_where_there_must_be_nothing() -> None:
    """A goal of zero is missed by anything above it, and that is worse than any ratio."""
    lines = _verdicts(
        "('left', [1.0], goals.ABORT_LEFTOVERS), ('none', [0.0], goals.ABORT_LEFTOVERS), "
        "('slow', [900.0], goals.ABORT)"
    )
    assert "G7 missed: 1 tasks or files left at worst (left), at most 0" == lines[-1]


def test_a_goal_is_met_at_its_limit() -> None:
    """At most means at most: the limit itself is met."""
    assert (
        "G9 met: 2 MB of growth at worst (grown), at most 2"
        == _verdicts("('grown', [2.0], goals.STALLED_READER)")[-1]
    )


def test_a_percentile_is_a_sample() -> None:
    """The percentile is the smallest sample that the share of all samples does not exceed."""
    _run(
        "from rig.figures import percentile\n"
        "samples = [5.0, 1.0, 4.0, 2.0, 3.0]\n"
        "assert [1.0, 3.0, 5.0] == [percentile(samples, share) for share in (0.2, 0.5, 0.99)]\n"
    )


def test_a_ratio_is_that_to_the_pump_around_it() -> None:
    """Each round is compared with the mean of the pump before and after it."""
    _run("from rig.side_by_side import ratios; assert [2.0, 1.0] == ratios([3.0, 3.0], [1.0, 2.0, 4.0])")


def test_an_event_tells_when_it_was_written() -> None:
    """What a paced stream writes has the time of writing in the place of the stamp, and keeps its length."""
    _run(
        "import re, time\n"
        "from rig.upstream_server import Paced, UpstreamServer, http_chunks\n"
        "from rig.workloads import long_text, stamped_delta\n"
        "upstream, before = UpstreamServer(), time.perf_counter_ns()\n"
        "upstream.set_plan(Paced((), (stamped_delta(),), (), 1.0))\n"
        "beat = upstream.next_beat()\n"
        'assert before <= int(re.search(rb\'"delta":"@([0-9]{16})"\', beat)[1]) <= time.perf_counter_ns()\n'
        "assert len(beat) == len(http_chunks((stamped_delta(),)))\n"
        "_, delta, _ = long_text()\n"
        "upstream.set_plan(Paced((), (delta,), (), 1.0))\n"
        "assert http_chunks((delta,)) == upstream.next_beat()\n"
    )


def test_runs_are_compared(tmp_path: Path) -> None:
    """A run read back from its file is compared figure by figure; samples that do not overlap lie apart."""
    _run(
        "import msgspec, sys\n"
        "from rig.figures import Figure\n"
        "from goals import SMALL_REQUESTS\n"
        "from run import Run\n"
        "for path, samples in zip(sys.argv[1:], ((1.0, 2.0), (3.0, 6.0))):\n"
        "    figure = Figure(name='small', unit='x', samples=samples, goal=SMALL_REQUESTS)\n"
        "    run = Run(started_at='now', commit='c', is_quick=False, machine={'cpu': 'x'}, versions={},\n"
        "              figures={'q': (figure,)}, verdicts={})\n"
        "    open(path, 'wb').write(msgspec.json.encode(run))\n",
        *map(str, (tmp_path / "a.json", tmp_path / "b.json")),
    )
    text = _run("import compare; compare.main()", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert ["q", "small", "x", "1.5", "4.5", "3.00", "1..2", "3..6", "apart"] == text.splitlines()[-1].split()


def _verdicts(figures: str) -> list[str]:
    """Return the verdict lines of figures, each written as its name, its samples and its goal."""
    return _run(
        "import goals\n"
        "from rig.figures import Figure\n"
        "from rig.verdicts import verdicts_of\n"
        f"told = [{figures}]\n"
        "figures = [Figure(name=n, unit='', samples=tuple(s), goal=g) for n, s, g in told]\n"
        "for verdict in verdicts_of(figures):\n"
        "    print(verdict.line)\n"
    ).splitlines()


def _run(program: str, *arguments: str) -> str:
    """Run a program among the benchmarks and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout
