"""Changing the text of the configuration in force: in a file that others write too, and in memory."""

import asyncio
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.config import Config, Secret, config_from_mapping
from packyproxy.config.merging import put_value
from packyproxy.config.reading import text_revision
from packyproxy.config.schema import StreamingConfig
from packyproxy.config.yaml_edit import Edit, edit_text
from packyproxy.errors import ConfigError
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.reload.editing import EditText, NoFile, StaleRevision
from packyproxy.runtime.reload.reloader import OnDisk
from packyproxy.runtime.runtime import Runtime

TEXT = """\
# mine
request-retry: 1   # so many

packycode:
  enabled: true
  base-url: "https://a.test/v1"
  credentials: {openai-api-key: sk-canary-0001}   # from mail
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a valid file."""
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def runtime(path: Path) -> Runtime:
    """Return a runtime that follows it."""
    return Runtime(ConfigFile(str(path)))


def setting(*keys: str, value: object) -> EditText:
    """Return the edit that sets one key."""
    return lambda text, config: put_value(text, keys, value, in_force=config)


def codes(refused: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    """Return the codes of the problems."""
    return [problem.code for problem in refused.value.problems]


def test_a_change_is_in_the_file_and_in_force(runtime: Runtime, path: Path) -> None:
    """One value is written, everything else stays, and the next request is served by it."""
    before = runtime.snapshot
    asyncio.run(runtime.editor.change(setting("request-retry", value=5)))
    assert TEXT.replace("retry: 1", "retry: 5") == path.read_text()
    assert 5 == runtime.snapshot.config.request_retry
    assert 1 == before.config.request_retry


def test_a_change_is_that_of_a_reload(runtime: Runtime, path: Path) -> None:
    """What comes into force by editing and what a look at the file gives are the same; nothing is left over."""
    asyncio.run(runtime.editor.change(setting("debug", value=True)))
    state = runtime.reload_state
    assert (2, OnDisk.SAME, None) == (state.number, state.on_disk, state.last_error)
    assert () == asyncio.run(runtime.reload())


def test_revisions_follow_the_text(runtime: Runtime, path: Path) -> None:
    """The revision is that of the text in force: 16 hex digits that any worker would get."""
    assert text_revision(TEXT) == runtime.editor.revision == Runtime(ConfigFile(str(path))).editor.revision
    assert 16 == len(runtime.editor.revision)
    asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert (path.read_text(), runtime.editor.revision) == asyncio.run(runtime.editor.text())


def test_a_mark_at_the_head_of_a_file_counts(path: Path) -> None:
    """The revision is that of the bytes, whether a text was read from the file or by the editor."""
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    runtime = Runtime(ConfigFile(str(path)))
    _, revision = asyncio.run(runtime.editor.text())
    assert revision == runtime.editor.revision
    asyncio.run(runtime.editor.change(setting("debug", value=True), if_match=revision))
    assert path.read_bytes().startswith(b"\xef\xbb\xbf# mine")


def test_a_change_that_changes_nothing_writes_nothing(runtime: Runtime, path: Path) -> None:
    """The file is not touched, and nothing comes into force."""
    before = path.stat()
    asyncio.run(runtime.editor.change(setting("request-retry", value=1)))
    assert (before.st_ino, before.st_mtime_ns) == (path.stat().st_ino, path.stat().st_mtime_ns)
    assert 1 == runtime.reload_state.number


def test_what_is_not_valid_is_not_written(runtime: Runtime, path: Path) -> None:
    """Every problem is told, as the validator tells it; neither the file nor what is in force changes."""
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.change(setting("packycode", value={"enabled": True, "weight": 0})))
    fields = {"packycode.base-url", "packycode.credentials.openai-api-key", "packycode.weight"}
    assert fields == {problem.field for problem in refused.value.problems}
    assert TEXT == path.read_text()
    assert 1 == runtime.reload_state.number


def test_the_surroundings_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is judged as a reload judges it: a key of the environment completes a block without one."""
    monkeypatch.setenv("PACKYCODE_API_KEY", "env-canary-0001")
    runtime = Runtime(ConfigFile(str(path)))
    block = {"enabled": True, "base-url": "https://b.test/v1"}
    asyncio.run(runtime.editor.change(setting("packycode", value=block)))
    assert "canary" not in path.read_text()
    assert "env" == runtime.snapshot.config.providers[0].effective_source


def test_amendments_count(path: Path) -> None:
    """What a command line says is part of what is in force, so that sent back it stays out of the file."""

    def amend(config: Config) -> Config:
        if config.debug:
            raise ConfigError(())
        return config_from_mapping({"port": 9999, "request-retry": config.request_retry})

    runtime = Runtime(ConfigFile(str(path), amend=amend))
    asyncio.run(runtime.editor.change(setting("port", value=9999)))
    assert TEXT == path.read_text()
    with pytest.raises(ConfigError):
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert TEXT == path.read_text()


def test_a_stale_revision_loses(runtime: Runtime, path: Path) -> None:
    """A change that was meant for another text is not made."""
    seen = runtime.editor.revision
    asyncio.run(runtime.editor.change(setting("debug", value=True), if_match=seen))
    text = path.read_text()
    with pytest.raises(StaleRevision, match="has changed since"):
        asyncio.run(runtime.editor.change(setting("debug", value=False), if_match=seen))
    assert text == path.read_text()


def test_a_file_that_is_not_read_yet_makes_a_revision_stale(runtime: Runtime, path: Path) -> None:
    """Who has seen what is in force has not seen what somebody saved since."""
    seen = runtime.editor.revision
    path.write_text(TEXT + "debug: true\n")
    with pytest.raises(StaleRevision):
        asyncio.run(runtime.editor.change(setting("request-retry", value=5), if_match=seen))
    asyncio.run(runtime.editor.change(setting("request-retry", value=5)))
    config = runtime.snapshot.config
    assert (True, 5) == (config.debug, config.request_retry)


def test_a_broken_file_is_mended_first(runtime: Runtime, path: Path) -> None:
    """No GET gives its revision, so the refusal says what is in the way; a change is none to a broken text."""
    seen = runtime.editor.revision
    path.write_text(TEXT + "debug: [\n")
    with pytest.raises(StaleRevision, match="mend it first"):
        asyncio.run(runtime.editor.change(setting("request-retry", value=5), if_match=seen))
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.change(setting("request-retry", value=5)))
    assert ["yaml_syntax"] == codes(refused)


def test_a_wrong_file_can_be_mended(runtime: Runtime, path: Path) -> None:
    """A value that is sent takes the place of a wrong one, also where it is what is in force."""
    path.write_text(TEXT.replace("retry: 1 ", "retry: x "))
    asyncio.run(runtime.editor.change(setting("request-retry", value=1)))
    assert TEXT == path.read_text()
    assert OnDisk.SAME is runtime.reload_state.on_disk


def test_what_another_runtime_wrote_is_seen(runtime: Runtime, path: Path) -> None:
    """The edit is made to the text as it is, and gets what that means, not what is in force here."""
    other = Runtime(ConfigFile(str(path)))
    asyncio.run(other.editor.change(setting("request-retry", value=5)))
    asyncio.run(runtime.editor.change(setting("request-retry", value=1)))
    assert TEXT == path.read_text()
    assert 1 == runtime.snapshot.config.request_retry


def test_a_file_that_breaks_right_after_the_change_is_told(
    runtime: Runtime, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's broken text that is read instead is a refusal, not a success."""
    replace_file = os.replace

    def then_broken(source: Path, target: Path) -> None:
        replace_file(source, target)
        path.write_text("debug: [\n")

    monkeypatch.setattr("os.replace", then_broken)
    monkeypatch.setattr(Path, "replace", then_broken)
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert ["yaml_syntax"] == codes(refused)


def test_a_file_that_is_gone_is_not_begun_anew(runtime: Runtime, path: Path) -> None:
    """A file of one setting would be all that is left of the configuration."""
    path.unlink()
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert ["unreadable"] == codes(refused)
    assert not path.exists()
    with pytest.raises(ConfigError):
        asyncio.run(runtime.editor.text())


def test_a_file_that_is_no_text_is_not_shown(runtime: Runtime, path: Path) -> None:
    """Bytes that are not UTF-8 have no text."""
    path.write_bytes(b"debug: \xff\n")
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.text())
    assert ["not_utf8"] == codes(refused)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_the_mode_of_the_file_stays(runtime: Runtime, path: Path) -> None:
    """Nobody can read the keys who could not before."""
    path.chmod(0o640)
    asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_a_read_only_file_stays_as_it_is(runtime: Runtime, path: Path) -> None:
    """It is protected, even where its folder is not."""
    path.chmod(0o400)
    with pytest.raises(ConfigError) as refused:
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert ["not_writable"] == codes(refused)
    assert TEXT == path.read_text()


def test_of_many_changes_to_one_revision_one_is_made(path: Path) -> None:
    """Twenty at once, in two runtimes over one file: exactly one wins, the others hear that they lost."""
    runtimes = [Runtime(ConfigFile(str(path))) for _ in range(2)]
    seen = runtimes[0].editor.revision

    async def all_at_once() -> list[BaseException | None]:
        changes = (
            runtimes[number % 2].editor.change(setting("port", value=9000 + number), if_match=seen)
            for number in range(20)
        )
        return await asyncio.gather(*changes, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())
    assert [None] == [outcome for outcome in outcomes if not isinstance(outcome, StaleRevision)]
    winner = outcomes.index(None)
    assert f"port: {9000 + winner}\n" in path.read_text()


def test_writers_of_all_kinds_lose_no_change(path: Path) -> None:
    """Threads with loops of their own, over two runtimes and one file: every change is there afterwards."""
    runtimes = [Runtime(ConfigFile(str(path))) for _ in range(2)]

    async def add(runtime: Runtime, names: list[str]) -> None:
        await asyncio.gather(*(runtime.editor.change(header(name)) for name in names))

    def header(name: str) -> EditText:
        return lambda text, _: edit_text(text, [Edit(("packycode", "headers", name), "v")])

    names = [[f"x-{writer}-{number}" for number in range(4)] for writer in range(4)]
    threads = [
        threading.Thread(target=asyncio.run, args=(add(runtimes[writer % 2], names[writer]),))
        for writer in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Runtime(ConfigFile(str(path))).snapshot.config.providers[0].headers
    assert {name for writer in names for name in writer} == set(found)


async def test_a_change_outlives_its_caller(runtime: Runtime, path: Path) -> None:
    """A client that leaves in the middle cannot leave a file that is written and not in force."""
    entered, go_on = threading.Event(), threading.Event()

    def edit(text: str, config: Config) -> str:
        entered.set()
        go_on.wait(5)
        return setting("request-retry", value=5)(text, config)

    task = asyncio.create_task(runtime.editor.change(edit))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await runtime.editor.change(setting("debug", value=True))
    config = runtime.snapshot.config
    assert (5, True) == (config.request_retry, config.debug)


def test_a_preview_changes_nothing(runtime: Runtime, path: Path) -> None:
    """What would come into force is returned, judged as the change itself would be."""
    config = asyncio.run(runtime.editor.preview(setting("request-retry", value=5)))
    assert 5 == config.request_retry
    assert TEXT == path.read_text()
    assert 1 == runtime.reload_state.number
    with pytest.raises(ConfigError):
        asyncio.run(runtime.editor.preview(setting("request-retry", value=-1)))
    with pytest.raises(StaleRevision):
        asyncio.run(runtime.editor.preview(setting("request-retry", value=5), if_match="0" * 16))


def test_without_a_file_there_is_nothing_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says cannot be changed here; what a new file would mean can be judged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PACKYCODE_BASE_URL", "https://a.test/v1")
    monkeypatch.setenv("PACKYCODE_API_KEY", "env-canary-0001")
    runtime = Runtime(ConfigFile())
    with pytest.raises(NoFile, match="packyproxy init"):
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    with pytest.raises(NoFile):
        asyncio.run(runtime.editor.text())
    config = asyncio.run(runtime.editor.preview(setting("debug", value=True)))
    assert (True, "https://a.test/v1") == (config.debug, config.providers[0].base_url)
    assert text_revision("") == runtime.editor.revision
    (tmp_path / "config.yaml").write_text(TEXT)
    asyncio.run(runtime.reload())
    assert (TEXT, text_revision(TEXT)) == asyncio.run(runtime.editor.text())


MAPPING = {
    "packycode": {
        "enabled": True,
        "base-url": "https://a.test/v1",
        "credentials": {"openai-api-key": "sk-canary-0001"},
    }
}


def test_a_mapping_is_edited_in_memory() -> None:
    """A program's own configuration has a text too, of what differs from the defaults."""
    runtime = Runtime(config_from_mapping(MAPPING))
    text, revision = asyncio.run(runtime.editor.text())
    assert (
        "packycode:\n"
        "  enabled: true\n"
        '  base-url: "https://a.test/v1"\n'
        "  credentials:\n"
        '    openai-api-key: "sk-canary-0001"\n'
    ) == text
    asyncio.run(runtime.editor.change(setting("request-retry", value=5), if_match=revision))
    assert 5 == runtime.snapshot.config.request_retry
    assert "dict" == runtime.snapshot.config.source
    assert (f"{text}request-retry: 5\n", runtime.editor.revision) == asyncio.run(runtime.editor.text())
    with pytest.raises(StaleRevision):
        asyncio.run(runtime.editor.change(setting("request-retry", value=6), if_match=revision))
    with pytest.raises(ConfigError):
        asyncio.run(runtime.editor.change(setting("request-retry", value=-1)))
    assert 5 == runtime.snapshot.config.request_retry


def test_a_change_in_memory_that_changes_nothing_is_none() -> None:
    """Nothing comes into force."""
    runtime = Runtime(config_from_mapping(MAPPING))
    asyncio.run(runtime.editor.change(setting("debug", value=False)))
    assert 1 == runtime.reload_state.number


def test_a_configuration_that_a_program_applies_has_a_text() -> None:
    """The text in memory follows what comes into force in another way."""
    runtime = Runtime(config_from_mapping(MAPPING))
    before = runtime.editor.revision
    runtime.apply(Config(api_keys=(Secret("client-canary-0001"),)))
    assert 'api-keys: ["client-canary-0001"]\n' == (asyncio.run(runtime.editor.text()))[0]
    assert before != runtime.editor.revision


def test_changes_in_memory_lose_nothing() -> None:
    """They take turns too."""
    runtime = Runtime(config_from_mapping(MAPPING))
    keys: list[tuple[str, object]] = [
        ("port", 9000),
        ("debug", True),
        ("request-retry", 5),
        ("metrics", True),
    ]

    async def all_at_once() -> None:
        await asyncio.gather(*(runtime.editor.change(setting(key, value=value)) for key, value in keys))

    asyncio.run(all_at_once())
    config = runtime.snapshot.config
    assert (9000, True, 5, True) == (config.port, config.debug, config.request_retry, config.metrics)


def test_a_configuration_that_no_file_could_say_is_not_edited() -> None:
    """A program may have made one that the validator would refuse; it goes on to hold."""
    runtime = Runtime(Config(streaming=StreamingConfig(total_timeout=float("inf"))))
    assert text_revision("") == runtime.editor.revision
    with pytest.raises(ConfigError):
        asyncio.run(runtime.editor.change(setting("debug", value=True)))
    assert runtime.snapshot.config.streaming.total_timeout == float("inf")


def test_constructing_reads_nothing_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text in memory is made when somebody asks for it."""
    made: list[Callable[..., str]] = []
    monkeypatch.setattr("packyproxy.runtime.reload.editing.config_text", made.append)
    Runtime(config_from_mapping(MAPPING))
    assert [] == made


async def test_examinations_take_turns_and_keep_no_change_waiting() -> None:
    """However many texts are examined, which may take seconds each, one thread is busy with that."""
    runtime = Runtime(config_from_mapping({}))
    busy, most, may_end = 0, 0, threading.Event()

    def slow(_: str, __: Config) -> str:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        may_end.wait(10)
        busy -= 1
        return "debug: true\n"

    previews = [asyncio.create_task(runtime.editor.preview(slow)) for _ in range(3)]
    shown = asyncio.create_task(runtime.editor.shown())
    await runtime.editor.change(setting("request-retry", value=5))
    assert 5 == runtime.snapshot.config.request_retry
    assert not any(task.done() for task in (*previews, shown))
    may_end.set()
    await asyncio.gather(*previews, shown)
    assert 1 == most


def test_a_text_is_shown_with_its_secrets_masked() -> None:
    """With the revision of the text that is not."""
    runtime = Runtime(config_from_mapping({"api-keys": ["client-canary-0001"]}))
    expected = ('api-keys: ["***0001"]\n', runtime.editor.revision)
    assert expected == asyncio.run(runtime.editor.shown())
