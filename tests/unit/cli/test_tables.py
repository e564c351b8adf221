"""Tables, lines and JSON as commands print them: on a terminal and in a pipe."""

import io
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from packyproxy.cli.tables import Cell, print_json, print_line, print_table, waiting
from packyproxy.config import Secret

LONG = "long " * 40


class Terminal(io.StringIO):
    """Takes text as a terminal would."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Return a function that makes stdout a terminal of 60 columns with colours."""

    def make() -> Terminal:
        # In the test, not before it: pytest sets stdout anew between the two.
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (("COLUMNS", "60"), ("TERM", "xterm-256color"), ("COLORTERM", "")):
            monkeypatch.setenv(name, value)
        return stream

    return make


def test_a_pipe_gets_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Two blanks stand between columns and none at the end of a line."""
    print_table(
        [["gpt-5", "a, b"], ["gpt-5-codex", Cell("", "good")]], headings=["model", "efforts"], indent=1
    )
    expected = " model        efforts\n gpt-5        a, b\n gpt-5-codex\n"
    assert expected == capsys.readouterr().out


def test_a_pipe_gets_one_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    """However long a row is, it is neither cut nor wrapped."""
    print_table([["a", LONG + "end"]])
    assert f"a  {LONG}end\n" == capsys.readouterr().out


def test_a_pipe_gets_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    """Tones leave no trace in a pipe."""
    print_table([[Cell("bad", "bad")]])
    print_line("warning", "warning")
    assert "bad\nwarning\n" == capsys.readouterr().out


def test_nothing_is_printed_for_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table without headings leaves no blank line."""
    print_table([])
    assert capsys.readouterr().out == ""


def test_a_terminal_is_never_overrun(open_terminal: Callable[[], Terminal]) -> None:
    """A text that does not fit goes on below, in its own column, and none of it is lost."""
    terminal = open_terminal()
    print_table([["name", LONG]])
    lines = terminal.getvalue().splitlines()
    assert [] == [line for line in lines if len(line.rstrip()) > 60]
    assert LONG.split() == " ".join(line[6:] for line in lines).split()
    assert [] == [line for line in lines[1:] if line[:6].strip()]


def test_names_are_whole_on_a_terminal(open_terminal: Callable[[], Terminal]) -> None:
    """What a row is about can be copied; the other columns give way."""
    terminal = open_terminal()
    print_table([["gpt-5-codex-mini-latest", LONG, LONG, LONG]])
    assert terminal.getvalue().startswith("gpt-5-codex-mini-latest  ")


def test_a_name_leaves_room_for_the_rest(open_terminal: Callable[[], Terminal]) -> None:
    """One that is longer than half a line goes on below as any other text does."""
    terminal = open_terminal()
    print_table([["n" * 100, LONG]])
    written = terminal.getvalue()
    assert (100, 40) == (written.count("n") - written.count("long"), written.count("long"))


def test_a_terminal_gets_colour(open_terminal: Callable[[], Terminal]) -> None:
    """A tone is a colour there."""
    terminal = open_terminal()
    print_table([[Cell("off", "bad")]])
    print_line("careful", "warning")
    assert ["\x1b[31moff\x1b[0m", "\x1b[33mcareful\x1b[0m"] == [
        line.strip() for line in terminal.getvalue().splitlines()
    ]


def test_no_color_is_honoured(open_terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``NO_COLOR`` set a terminal gets plain text."""
    terminal = open_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    print_table([[Cell("off", "bad")]])
    print_line("careful", "warning")
    assert ["off", "careful"] == terminal.getvalue().split()


def test_texts_are_not_markup(open_terminal: Callable[[], Terminal]) -> None:
    """Brackets in a model's name are printed as they are."""
    terminal = open_terminal()
    print_table([["gpt-5[1m]", "[bold]x[/bold]"]])
    print_line("[red]", "plain")
    assert ["gpt-5[1m]", "[bold]x[/bold]", "[red]"] == terminal.getvalue().split()


def test_a_long_line_is_not_broken(open_terminal: Callable[[], Terminal]) -> None:
    """Lines outside tables are left to the terminal to wrap, so that they can be copied whole."""
    terminal = open_terminal()
    print_line(LONG.strip(), "warning")
    assert 1 == len(terminal.getvalue().splitlines())


def test_json_masks_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is indented, and a key in it shows its mask."""
    print_json({"key": Secret("sk-canary-1234567890")})
    printed = capsys.readouterr().out
    assert ({"key": "***7890"}, 3) == (json.loads(printed), len(printed.splitlines()))


def test_waiting_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """What is waited for is said once, before the waiting begins."""
    with waiting("asking [b]"):
        during = capsys.readouterr().out
    assert ("asking [b] ...\n", "") == (during, capsys.readouterr().out)


def test_waiting_leaves_nothing_on_a_terminal(open_terminal: Callable[[], Terminal]) -> None:
    """A terminal shows it as long as it takes; then the line is erased."""
    terminal = open_terminal()
    with waiting("asking [b]"):
        pass
    written = terminal.getvalue()
    assert "asking [b]" in written
    assert written.endswith(("\x1b[2K", "\x1b[1A\x1b[2K"))


def test_a_pipe_does_without_rich() -> None:
    """What is not a terminal never pays for drawing."""
    code = (
        "import sys\nfrom packyproxy.cli.tables import print_line, print_table\n"
        "print_table([['a', 'b']])\nprint_line('c', 'bad')\nprint('rich' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ["a  b", "c", "False"] == ran.stdout.splitlines()


def test_paths_that_are_no_utf8_are_json_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be encoded is escaped, so that no command ends in a traceback over it."""
    print_json({"path": "a\udcff.yaml"})
    assert {"path": "a\udcff.yaml"} == json.loads(capsys.readouterr().out)
