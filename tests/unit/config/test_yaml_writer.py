"""Writing a configuration file: whole or not at all, and never over somebody else's change."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packyproxy.config import parse_config
from packyproxy.config.yaml_edit import Edit, edit_text
from packyproxy.config.yaml_writer import write_config
from packyproxy.errors import ConfigError, Problem


def raise_port(text: str) -> str:
    """Add one to the port, from 1 on."""
    port = parse_config(text).port if text else 0
    return edit_text(text, [Edit(("port",), port + 1)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("port: 1   # mine\n")
    path.chmod(0o640)
    return path


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        write_config(path, raise_port, validate=parse_config)
    return [str(problem) for problem in refusal.value.problems]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_an_edit_is_written(file: Path) -> None:
    """The file holds the edited text, its mode is kept, and nothing else is left in the folder."""
    assert write_config(file, raise_port, validate=parse_config)
    assert ("port: 2   # mine\n", 0o640, [file]) == (
        file.read_text(),
        mode(file),
        list(file.parent.iterdir()),
    )


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """A file that was not there is edited as an empty text and gets mode 0600 under any umask."""
    path = tmp_path / "config.yaml"
    old = os.umask(0)
    try:
        assert write_config(path, raise_port, validate=parse_config)
    finally:
        os.umask(old)
    assert ("port: 1\n", 0o600) == (path.read_text(), mode(path))


def test_line_ends_and_encoding_are_kept(file: Path) -> None:
    """Bytes that the edit leaves alone are written as they were read."""
    file.write_bytes("\ufeff# é\r\nport: 1\r\n".encode())
    write_config(file, raise_port, validate=parse_config)
    assert "\ufeff# é\r\nport: 2\r\n".encode() == file.read_bytes()


def test_an_edit_without_effect_leaves_the_file_alone(file: Path) -> None:
    """Nothing is written when the text is the same, so no reload follows."""
    before = file.stat()
    assert not write_config(file, lambda text: text, validate=parse_config)
    assert (before.st_ino, before.st_mtime_ns) == (file.stat().st_ino, file.stat().st_mtime_ns)


def test_a_link_stays_and_its_target_is_written(file: Path, tmp_path: Path) -> None:
    """Configurations are often linked from a folder under version control."""
    link = tmp_path / "elsewhere" / "config.yaml"
    link.parent.mkdir()
    link.symlink_to("../config.yaml")
    write_config(link, raise_port, validate=parse_config)
    assert (True, "port: 2   # mine\n", 0o640) == (link.is_symlink(), file.read_text(), mode(file))


def test_a_text_that_is_refused_is_not_written(file: Path) -> None:
    """The new text is judged first, and every problem is told."""
    with pytest.raises(ConfigError) as refusal:
        write_config(file, lambda _: "port: x\ndebug: 1\n", validate=parse_config)
    assert ["port", "debug"] == [problem.field for problem in refusal.value.problems]
    assert ("port: 1   # mine\n", [file]) == (file.read_text(), list(file.parent.iterdir()))


def test_what_the_edit_raises_is_passed_on(file: Path) -> None:
    """An edit that cannot be made leaves the file, and the next writer gets its turn."""

    def fail(_: str) -> str:
        raise KeyError("canary")

    with pytest.raises(KeyError):
        write_config(file, fail, validate=parse_config)
    assert write_config(file, raise_port, validate=parse_config)


def test_a_change_by_an_editor_is_not_lost(file: Path) -> None:
    """A file that changes between reading and writing is read and edited again."""
    seen: list[str] = []

    def meet_an_editor(text: str) -> str:
        if not seen:
            file.write_text("port: 7\ndebug: true\n")
        seen.append(text)
        return raise_port(text)

    write_config(file, meet_an_editor, validate=parse_config)
    assert ["port: 1   # mine\n", "port: 7\ndebug: true\n"] == seen
    assert "port: 8\ndebug: true\n" == file.read_text()


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """A new file goes only where there still is none."""
    path = tmp_path / "config.yaml"

    def be_late(text: str) -> str:
        if not text:
            path.write_text("port: 7\n")
        return raise_port(text)

    write_config(path, be_late, validate=parse_config)
    assert "port: 8\n" == path.read_text()


def test_a_file_that_always_changes_is_given_up(file: Path) -> None:
    """Starting over has an end."""

    def never_rest(text: str) -> str:
        file.write_text(text + "#\n")
        return raise_port(text)

    with pytest.raises(ConfigError, match="changes all the time: stop what else is writing it"):
        write_config(file, never_rest, validate=parse_config)
    assert [file] == list(file.parent.iterdir())


def test_threads_take_turns(file: Path) -> None:
    """No increment of many concurrent ones is lost."""
    with ThreadPoolExecutor(8) as pool:
        for _ in range(24):
            pool.submit(write_config, file, raise_port, validate=parse_config)
    assert "port: 25  # mine\n" == file.read_text()
    assert [file] == list(file.parent.iterdir())


def test_processes_take_turns(file: Path) -> None:
    """Commands that write at the same time wait for each other."""
    code = (
        "import sys, pathlib\n"
        "from packyproxy.config.yaml_writer import write_config\n"
        "def edit(text):\n"
        "    number = int(text.split()[1])\n"
        "    return text.replace(str(number), str(number + 1))\n"
        "for _ in range(20): write_config(pathlib.Path(sys.argv[1]), edit, validate=len)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(3)]
    assert [0, 0, 0] == [run.wait(30) for run in runs]
    assert ("port: 61   # mine\n", [file]) == (file.read_text(), list(file.parent.iterdir()))


def test_the_lock_of_a_dead_process_holds_nobody_up(file: Path) -> None:
    """A lock file that was left behind is taken over and removed."""
    file.with_name(".config.yaml.lock").touch()
    assert write_config(file, raise_port, validate=parse_config)
    assert [file] == list(file.parent.iterdir())


def test_a_read_only_file_is_left_alone(file: Path) -> None:
    """Renaming could replace a protected file; it is asked for its own permission."""
    file.chmod(0o400)
    assert [
        f"config.yaml: {file} is read-only: make it writable (chmod u+w), or edit it by hand"
    ] == problems_of(file)
    assert [file] == list(file.parent.iterdir())


def test_a_folder_that_cannot_be_written_is_one_problem(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be made, the text names the file, the reason and the remedy."""

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("packyproxy.config.yaml_writer.os.open", deny)
    said = (
        f"{file} cannot be written (permission denied): check the permissions of the file and of its folder"
    )
    assert [f"config.yaml: {said}"] == problems_of(file)


def test_a_file_that_is_mounted_alone_stays(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container cannot replace it, and the text says what to do about that."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    said = f"{file} cannot be written (device or resource busy): mount its folder, not the file alone"
    assert [f"config.yaml: {said}"] == problems_of(file)
    assert [file] == list(file.parent.iterdir())


def test_a_full_disk_leaves_everything_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of a file is left, in its place or beside it."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr("packyproxy.config.yaml_writer.os.fsync", refuse)
    said = f"{file} cannot be written (no space left on device): make room on its disk"
    assert [f"config.yaml: {said}"] == problems_of(file)
    assert ([file], before) == (list(file.parent.iterdir()), file.read_bytes())


def test_a_lock_that_is_not_to_be_had_is_one_problem(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks refuses to be written to, and no descriptor is left open."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    before = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr("packyproxy.config.yaml_writer.fcntl.flock", refuse)
    assert "cannot be written (operation not supported)" in problems_of(file)[0]
    assert before == len(list(Path("/dev/fd").iterdir()))


def test_systems_without_owners_keep_the_mode(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file cannot be given to somebody, its mode is kept alone."""
    monkeypatch.delattr("packyproxy.config.yaml_writer.os.chown")
    write_config(file, raise_port, validate=parse_config)
    assert 0o640 == mode(file)


def test_a_folder_that_is_missing_is_one_problem(tmp_path: Path) -> None:
    """The writer makes no folders."""
    path = tmp_path / "missing" / "config.yaml"
    assert (
        f"{path} cannot be written (no such file or directory): make its folder first" in problems_of(path)[0]
    )


def test_a_folder_of_the_process_that_is_gone_is_one_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell may stand in a folder that somebody has deleted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    problems = problems_of(Path("config.yaml"))
    monkeypatch.chdir(tmp_path)
    assert [
        "config.yaml: config.yaml cannot be written (no such file or directory): make its folder first"
    ] == problems


def test_only_regular_files_are_written(tmp_path: Path) -> None:
    """A folder in place of the file is a clear problem."""
    (tmp_path / "config.yaml").mkdir()
    path = tmp_path / "config.yaml"
    assert [f"config.yaml: {path} is not a regular file: name a YAML file"] == problems_of(path)


def test_only_text_is_edited(file: Path) -> None:
    """A file in another encoding is refused as reading it is."""
    file.write_bytes(b"# \xff\nport: 1\n")
    assert ["config.yaml: line 1: not UTF-8 text: save the file as UTF-8"] == problems_of(file)


def test_group_rights_are_not_given_to_another_group(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the group cannot be kept, no group may read the new file."""

    def deny(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("packyproxy.config.yaml_writer.os.chown", deny)
    write_config(file, raise_port, validate=parse_config)
    assert 0o600 == mode(file)


def test_content_is_on_disk_before_it_is_in_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut leaves the old file or the new one: content is synced before the renaming, the folder after."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        steps.append("sync")
        fsync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr("packyproxy.config.yaml_writer.os.fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    write_config(file, raise_port, validate=parse_config)
    assert ["sync", "rename", "sync"] == steps


def test_a_failed_write_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one problem, and no half file is left."""

    def fill(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("packyproxy.config.yaml_writer.os.fsync", fill)
    assert "(no space left on device)" in problems_of(file)[0]
    assert ("port: 1   # mine\n", [file]) == (file.read_text(), list(file.parent.iterdir()))


def test_a_refusal_by_the_validator_is_passed_on(file: Path) -> None:
    """The validator is the caller's own, with problems of its own."""
    problem = Problem(field="port", code="mine", message="is taken", fix="choose another")

    def refuse(_: str) -> None:
        raise ConfigError((problem,))

    with pytest.raises(ConfigError) as refusal:
        write_config(file, raise_port, validate=refuse)
    assert (problem,) == refusal.value.problems
