"""Following the configuration's files: what is read, what comes into force, what is said about it."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.config import Config, config_from_mapping
from packyproxy.errors import ConfigError
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.reload.reloader import OnDisk
from packyproxy.runtime.runtime import Runtime

VALID = 'packycode: {enabled: true, base-url: "https://a.test/v1", credentials: {openai-api-key: sk-canary-0001}}\n'
OTHER = VALID.replace("a.test", "b.test")
INVALID = VALID + "unknown-key: 1\nport: none\n"


@pytest.fixture(autouse=True)
def _no_other_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this machine's environment and its Codex CLI's files."""
    for name in [name for name in os.environ if name.startswith("PACKY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))


class Followed:
    """A runtime that follows a file, and the clock of its looks."""

    def __init__(self, path: Path, text: str = VALID) -> None:
        self.path = path
        self.clock = 1000.0
        self.write(text)
        self.runtime = Runtime(ConfigFile(str(path)))
        self.look()

    def write(self, text: str) -> None:
        """Write the file in place, as if a while ago."""
        self.path.write_text(text)
        os.utime(self.path, (self.clock, self.clock))
        self.clock += 1.0

    def look(self) -> float:
        """Look once; return when the next look is worthwhile."""
        reloader = self.runtime._reloader
        assert reloader is not None
        self.clock += 1.0
        return reloader.look(self.clock)

    @property
    def base_url(self) -> str:
        """What is in force."""
        return self.runtime.snapshot.providers["packycode"].base_url

    @property
    def on_disk(self) -> OnDisk | None:
        """How the file stands to it."""
        return self.runtime.reload_state.on_disk


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    """Return a runtime that follows a valid file."""
    return Followed(tmp_path / "config.yaml")


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the events that were logged."""
    return [record.event for record in caplog.records]  # type: ignore[attr-defined]


def following() -> int:
    """Return how many tasks follow files."""
    return sum("following" in task.get_name() for task in asyncio.all_tasks())


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def by_rename(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def by_deleting(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def by_swapping_a_link(path: Path, text: str) -> None:
    """Do as Kubernetes does: the file is a link through ``..data``, which is swapped for another folder's."""
    data, fresh = path.parent / "..data", path.parent / f"..{len(list(path.parent.iterdir()))}"
    fresh.mkdir()
    (fresh / path.name).write_text(text)
    new_link = path.parent / "..data_tmp"
    new_link.symlink_to(fresh)
    new_link.replace(data)
    if not path.is_symlink():
        path.unlink()
        path.symlink_to(data / path.name)


WAYS = {
    "in place": in_place,
    "atomic rename": by_rename,
    "delete and recreate": by_deleting,
    "link swap": by_swapping_a_link,
}


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS.keys())
def test_every_way_of_saving_is_seen(followed: Followed, change: Callable[[Path, str], None]) -> None:
    """However the file comes to hold something else, two looks 50 ms apart bring it into force."""
    for text, expected in ((OTHER, "https://b.test/v1"), (VALID, "https://a.test/v1")):
        change(followed.path, text)
        followed.look()
        followed.look()
        assert expected == followed.base_url


def test_a_change_is_logged_field_by_field(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    """One record per change, one for all, and what is served now, with their facts and no secret."""
    followed.write(OTHER.replace("0001", "0002") + "debug: true\n")
    with caplog.at_level(logging.INFO, "packyproxy"):
        followed.look()
    assert ["config_changed"] * 3 + ["config_reloaded", "models_registered"] == events(caplog)
    assert [
        "configuration: packycode.base-url: https://a.test/v1 -> https://b.test/v1",
        "configuration: packycode.credentials.openai-api-key: ***0001 -> ***0002",
        "configuration: debug: false -> true",
        f"configuration 2 is in force, from {followed.path}: 3 changed",
    ] == caplog.messages[:-1]
    assert "canary" not in str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("line", ["port: 9000", 'host: "127.0.0.2"'])
def test_what_needs_a_restart_is_said(
    followed: Followed, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The socket stays; the log says so."""
    followed.write(VALID + line + "\n")
    with caplog.at_level(logging.INFO, "packyproxy"):
        followed.look()
    assert caplog.messages[0].endswith(" (needs a restart)")


@pytest.mark.parametrize("text", [VALID, "# a comment\n" + VALID])
def test_what_means_the_same_changes_nothing(
    followed: Followed, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The same content, or another spelling of it, gives no new snapshot and no log line."""
    before = followed.runtime.snapshot
    followed.write(text)
    with caplog.at_level(logging.INFO, "packyproxy"):
        followed.look()
    assert before is followed.runtime.snapshot
    assert ([], 1) == (caplog.messages, followed.runtime.reload_state.number)


def test_an_untouched_file_is_not_read_again(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look without a change costs a few system calls."""
    monkeypatch.setattr(ConfigFile, "read", lambda _: pytest.fail("it was read"))
    followed.look()
    followed.look()


def test_an_invalid_file_keeps_the_configuration(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    """Every problem is logged, once per content; the state tells what is wrong, and the next good file ends it."""
    before = followed.runtime.snapshot
    with caplog.at_level(logging.INFO, "packyproxy"):
        for text in (INVALID, INVALID, INVALID + "# again\n"):
            followed.write(text)
            followed.look()
            followed.look()
    assert before is followed.runtime.snapshot
    assert ["config_invalid", "config_problem", "config_problem"] * 2 == events(caplog)
    state = followed.runtime.reload_state
    assert state.last_error is not None
    assert (OnDisk.INVALID, ["unknown-key", "port"]) == (
        state.on_disk,
        [problem.field for problem in state.last_error.problems],
    )
    followed.write(OTHER)
    followed.look()
    state = followed.runtime.reload_state
    assert (OnDisk.SAME, None, 2) == (state.on_disk, state.last_error, state.number)


def test_a_file_that_cannot_be_read_is_a_problem(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder in its place, for one; the state says so, and it is logged once."""
    followed.path.unlink()
    followed.path.mkdir()
    for _ in range(4):
        followed.look()
    assert OnDisk.INVALID is followed.on_disk
    assert ["config_invalid", "config_problem"] == events(caplog)


def test_an_error_that_comes_back_is_logged_again(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    """A good file in between makes it news."""
    for text in (INVALID, VALID, INVALID):
        followed.write(text)
        followed.look()
    assert 2 == events(caplog).count("config_invalid")


def test_a_deleted_file_keeps_the_configuration(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    """That is said once; the file counts again when it is back."""
    before = followed.runtime.snapshot
    followed.path.unlink()
    for _ in range(4):
        followed.look()
    assert (before, OnDisk.MISSING) == (followed.runtime.snapshot, followed.on_disk)
    assert ["config_missing"] == events(caplog)
    followed.write(OTHER)
    followed.look()
    assert ("https://b.test/v1", OnDisk.SAME) == (followed.base_url, followed.on_disk)


@pytest.mark.parametrize("spoil", [lambda path: path.write_text(INVALID), Path.unlink], ids=["wrong", "gone"])
def test_a_file_that_is_as_it_was_again_is_told_of(
    followed: Followed, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever read the complaint learns that it is over, also when nothing else changes by that."""
    spoil(followed.path)
    followed.look()
    followed.look()
    caplog.clear()
    followed.write(VALID)
    with caplog.at_level(logging.INFO, "packyproxy"):
        followed.look()
        followed.look()
    assert [f"{followed.path} is in order again and says what is in force"] == caplog.messages


def test_a_file_that_is_being_written_is_waited_for(followed: Followed) -> None:
    """Until it stands still the state says pending, and the next look is worthwhile after 50 ms."""
    followed.path.write_text(OTHER)
    os.utime(followed.path, (4e9, 4e9))
    assert (0.05, OnDisk.PENDING, "https://a.test/v1") == (
        followed.look(),
        followed.on_disk,
        followed.base_url,
    )
    assert (0.25, OnDisk.SAME, "https://b.test/v1") == (followed.look(), followed.on_disk, followed.base_url)


def test_a_bug_does_not_end_the_following(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading raises is a problem of that content; its text may quote the file and is not shown."""

    def fail(_: ConfigFile) -> Config:
        raise RuntimeError("canary")

    with monkeypatch.context() as patch:
        patch.setattr(ConfigFile, "read", fail)
        followed.write(OTHER)
        followed.look()
    error = followed.runtime.reload_state.last_error
    assert error is not None
    assert ["reading the configuration failed (RuntimeError)"] == [each.message for each in error.problems]
    followed.write(OTHER)
    followed.look()
    assert "https://b.test/v1" == followed.base_url


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened(followed: Followed) -> None:
    """Opening one would wait for a writer for ever."""
    followed.path.unlink()
    os.mkfifo(followed.path)
    followed.look()
    followed.look()
    assert OnDisk.INVALID is followed.on_disk


def test_a_file_that_is_locked_is_a_problem(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What permissions keep from being read leaves the configuration in force, too."""
    opened = Path.open

    def locked(path: Path, *arguments: Any) -> Any:
        if path == followed.path:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    followed.write(OTHER)
    monkeypatch.setattr(Path, "open", locked)
    followed.look()
    assert "https://a.test/v1" == followed.base_url
    assert ["config_invalid", "config_problem"] == events(caplog)


async def test_reload_reads_at_once(followed: Followed) -> None:
    """It does not wait for stillness, returns the changes, and the next look finds nothing to do."""
    followed.path.write_text(OTHER)
    assert ["packycode.base-url: https://a.test/v1 -> https://b.test/v1"] == [
        str(change) for change in await followed.runtime.reload()
    ]
    assert () == await followed.runtime.reload()
    assert 0.25 == await asyncio.to_thread(followed.look)


async def test_reload_tells_what_is_wrong(followed: Followed) -> None:
    """The caller gets every problem, and the configuration in force stays."""
    followed.path.write_text(INVALID)
    with pytest.raises(ConfigError) as caught:
        await followed.runtime.reload()
    assert 2 == len(caught.value.problems)
    assert ("https://a.test/v1", OnDisk.INVALID) == (followed.base_url, followed.on_disk)


async def test_without_files_there_is_nothing_to_reload() -> None:
    """A configuration that was given as it is stays until another one is applied."""
    runtime = Runtime(Config())
    assert () == await runtime.reload()
    await runtime.catch_up()
    assert None is runtime.reload_state.on_disk


def test_applying_a_configuration() -> None:
    """It holds for what comes after, is counted, and listeners hear of it; the same again does nothing."""
    runtime = Runtime(Config())
    heard: list[Config] = []
    runtime.listen(heard.append)
    old = runtime.snapshot
    new = config_from_mapping({"debug": True})
    assert ["debug: false -> true"] == [str(change) for change in runtime.apply(new)]
    assert () == runtime.apply(config_from_mapping({"debug": True}))
    assert [new] == heard
    assert (Config(), new, 2) == (old.config, runtime.snapshot.config, runtime.reload_state.number)


def test_a_listener_that_fails_is_not_the_configurations_fault(caplog: pytest.LogCaptureFixture) -> None:
    """The others hear of it, it is in force, and the error's text, which may quote anything, is not logged."""
    runtime = Runtime(Config())
    heard: list[Config] = []

    def fail(_: Config) -> None:
        raise RuntimeError("canary")

    runtime.listen(fail)
    stop = runtime.listen(heard.append)
    new = config_from_mapping({"debug": True})
    runtime.apply(new)
    stop()
    runtime.apply(Config())
    assert [new] == heard
    assert "internal error: a listener failed with RuntimeError" in caplog.messages
    assert "canary" not in caplog.text


@pytest.mark.virtual_time
async def test_a_task_follows_the_file_under_a_lifespan(followed: Followed) -> None:
    """A change holds within a second, and nothing runs on after the end."""
    async with followed.runtime:
        followed.write(OTHER)
        await asyncio.sleep(1.0)
        assert "https://b.test/v1" == followed.base_url
    assert 1 == len(asyncio.all_tasks())


@pytest.mark.virtual_time
async def test_entering_twice_follows_once(followed: Followed) -> None:
    """The last to leave ends it."""
    async with followed.runtime:
        once = len(asyncio.all_tasks())
        async with followed.runtime:
            assert once == len(asyncio.all_tasks())
        assert once == len(asyncio.all_tasks())
    assert 1 == len(asyncio.all_tasks())


@pytest.mark.virtual_time
async def test_requests_look_at_most_once_a_second(followed: Followed) -> None:
    """Without a lifespan a change holds for the next request that may look; no task is started."""
    followed.write(OTHER)
    await followed.runtime.catch_up()
    assert "https://b.test/v1" == followed.base_url
    followed.write(VALID)
    await asyncio.sleep(0.9)
    await followed.runtime.catch_up()
    assert "https://b.test/v1" == followed.base_url
    await asyncio.sleep(0.1)
    await followed.runtime.catch_up()
    assert "https://a.test/v1" == followed.base_url
    assert 1 == len(asyncio.all_tasks())


@pytest.mark.virtual_time
async def test_the_clock_of_another_loop_keeps_nobody_from_looking(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks of event loops begin where they like; one that was far ahead is not waited for."""
    loop = asyncio.get_running_loop()
    with monkeypatch.context() as ahead:
        ahead.setattr(loop, "time", lambda: 1e9)
        await followed.runtime.catch_up()
    followed.write(OTHER)
    await followed.runtime.catch_up()
    assert "https://b.test/v1" == followed.base_url


@pytest.mark.virtual_time
async def test_a_request_waits_until_a_change_is_still(followed: Followed) -> None:
    """What was saved just before the request holds for it."""
    started = asyncio.get_running_loop().time()
    followed.path.write_text(OTHER)
    os.utime(followed.path, (4e9, 4e9))
    await followed.runtime.catch_up()
    assert ("https://b.test/v1", 0.05) == (
        followed.base_url,
        round(asyncio.get_running_loop().time() - started, 3),
    )


async def test_one_request_looks_and_the_others_go_on(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the disk is, only one request waits for it."""
    may_go, looks = threading.Event(), []
    reloader: Any = followed.runtime._reloader

    def slow_look(clock: float) -> float:
        looks.append(clock)
        may_go.wait(10)
        return 0.25

    monkeypatch.setattr(reloader, "look", slow_look)
    first = asyncio.create_task(followed.runtime.catch_up())
    await asyncio.sleep(0)
    for _ in range(3):
        await followed.runtime.catch_up()
    assert not first.done()
    may_go.set()
    await first
    assert 1 == len(looks)


@pytest.mark.virtual_time
async def test_a_disk_that_hangs_holds_a_request_for_a_second(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that never stands still does not keep the request either: it is served with what is in force."""
    reloader: Any = followed.runtime._reloader
    monkeypatch.setattr(reloader, "_is_pending", True)
    monkeypatch.setattr(reloader, "look", lambda _: 0.05)
    started = asyncio.get_running_loop().time()
    await followed.runtime.catch_up()
    assert 1.0 == round(asyncio.get_running_loop().time() - started, 3)


def test_a_look_does_not_wait_for_another_reading(followed: Followed) -> None:
    """Looks never pile up behind a slow disk."""
    reloader: Any = followed.runtime._reloader
    followed.write(OTHER)
    with reloader._reading:
        assert 0.25 == followed.look()
    assert "https://a.test/v1" == followed.base_url


def test_once_found_a_file_stays_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may change its folder, and other files may appear, without another one being taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(VALID)
    file = ConfigFile()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.yaml").write_text(OTHER)
    monkeypatch.chdir(elsewhere)
    assert "https://a.test/v1" == file.read().providers[0].base_url


def test_the_folder_of_the_process_may_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment replaces it; the file lies elsewhere and is followed all the same."""
    folder = tmp_path / "release-1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    followed = Followed(tmp_path / "config.yaml")
    folder.rmdir()
    followed.write(OTHER)
    followed.look()
    monkeypatch.chdir(tmp_path)
    assert ("https://b.test/v1", OnDisk.SAME) == (followed.base_url, followed.on_disk)


def test_the_folder_of_the_process_may_be_gone_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any file, what the environment says is enough there too."""
    folder = tmp_path / "release-1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("PACKYCODE_BASE_URL", "https://a.test/v1")
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-canary-0001")
    file = ConfigFile()
    monkeypatch.chdir(tmp_path)
    assert "https://a.test/v1" == file.loaded.config.providers[0].base_url


def test_a_file_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun with a provider of the environment alone, the proxy takes up a configuration file once there is one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("PACKYCODE_BASE_URL", "https://a.test/v1")
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-canary-0001")
    file = ConfigFile()
    runtime = Runtime(file)
    reloader: Any = runtime._reloader
    assert "https://a.test/v1" == runtime.snapshot.providers["packycode"].base_url
    (tmp_path / "config.yaml").write_text(OTHER)
    os.utime(tmp_path / "config.yaml", (0, 0))
    reloader.look(0.0)
    assert "https://b.test/v1" == runtime.snapshot.providers["packycode"].base_url
    assert tmp_path / "config.yaml" == file.loaded.path


def test_what_is_used_without_a_file_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy that picked up the provider of Codex CLI says so in its log, and shows no key."""
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        'model_provider = "relay"\n[model_providers.relay]\nbase_url = "https://a.test/v1"\nwire_api = "responses"\n'
        "requires_openai_auth = true\n"
    )
    (folder / "auth.json").write_text('{"OPENAI_API_KEY": "sk-canary-0001"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CODEX_HOME", str(folder))
    with caplog.at_level(logging.INFO, "packyproxy"):
        Runtime(ConfigFile())
    assert ["config_picked_up"] == events(caplog)
    source = f"codex-cli ({folder / 'config.toml'})"
    assert [f"no configuration file was found: in force is what {source} says"] == caplog.messages


def test_a_setting_that_moves_to_another_source_is_no_change(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same value from elsewhere is in force with its new source, and the log counts no change."""
    monkeypatch.setenv("PACKYCODE_BASE_URL", "https://a.test/v1")
    followed.write("packycode: {enabled: true, credentials: {openai-api-key: sk-canary-0001}}\n")
    with caplog.at_level(logging.INFO, "packyproxy"):
        followed.look()
    assert ["config_reloaded", "models_registered"] == events(caplog)
    assert "env" == followed.runtime.snapshot.config.providers[0].sources["base-url"]
