"""The tables of the command line print what people chose as text alone."""

import io

import verdict_tools as tools
from rich.console import Console

from autograder import tables

CODES = "\x1b[2J\x1b]0;title\x07\x9b31mred\u202e"


def printed(row):
    """Return what a terminal is sent for one row."""
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    console.print(tables._why(row))
    return console.file.getvalue()


def test_a_reason_commands_no_terminal():
    text = printed(tools.row("ada", tools.refused(f"{CODES} is no notebook")))
    assert "is no notebook" in text
    assert "\x1b[2J" not in text
    assert not set("\x07\x9b\u202e") & set(text)


def test_a_message_commands_no_terminal_and_is_no_markup():
    text = printed(tools.row("ada", tools.failed(f"[red]{CODES}[/red] no")))
    assert "[red]" in text
    assert "\x1b[2J" not in text
    assert not set("\x07\x9b\u202e") & set(text)
