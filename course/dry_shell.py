"""A dry run of a short bash script: what it would do to files and a git repository.

Understands a small part of bash and of git (see `COMMANDS`), parsed by bashlex and
played on plain data: nothing is executed, so a script of anybody's can be judged by
what it does rather than by how it looks. `tests/test_dry_shell.py` holds it against the
real bash and the real git.
"""

import getopt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from course.errors import CrossroadsError

MAX_LINES = 200_000


class DryRunError(CrossroadsError):
    """The script fails, or holds something that the dry run does not understand."""


@dataclass(frozen=True)
class Commit:
    """A commit: its branch, its message, the files in it after it."""

    branch: str
    message: str
    files: Mapping[str, str]


@dataclass
class Repository:
    """Files by name, and what git knows of them."""

    files: dict[str, str]
    branch: str = "main"
    branches: set[str] = field(default_factory=lambda: {"main"})
    staged: dict[str, str] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)

    def ignored(self, name: str) -> bool:
        """Whether `.gitignore` names the file."""
        patterns = self.files.get(".gitignore", "").splitlines()
        return any(
            fnmatch(name, it.strip().lstrip("/")) for it in patterns if it.strip()
        )


def dry_run(script: str, files: Mapping[str, str]) -> Repository:
    """Return the repository after the script; it begins on `main` with these files.

    Args:
        script: bash text. A command that fails ends it, as with `set -e`.
        files: content by name; none is committed yet.

    Raises:
        DryRunError: bash could not read it, a command fails, or one that is not
            understood; the message names the command.
    """
    import bashlex
    from bashlex.errors import ParsingError

    repository = Repository(dict(files))
    try:
        trees = bashlex.parse(script.strip() + "\n")
    except (ParsingError, NotImplementedError, IndexError) as error:
        raise DryRunError(f"bash cannot read the script: {error}") from None
    for tree in trees:
        _statement(tree, repository)
    return repository


def _statement(node: Any, repository: Repository) -> None:
    if node.kind == "list":
        for part in node.parts:
            if part.kind == "operator":
                if part.op not in ("&&", ";", "\n"):
                    raise DryRunError(
                        f"`{part.op}` is not understood here; use a new line"
                    )
            else:
                _statement(part, repository)
    elif node.kind == "pipeline":
        text = ""
        for part in node.parts:
            if part.kind == "command":
                text = _command(part, text, repository)
    elif node.kind == "command":
        _command(node, "", repository)
    else:
        raise DryRunError(f"a {node.kind} is not understood here; use plain commands")


def _command(node: Any, stdin: str, repository: Repository) -> str:
    """Run one command; return what it writes, or '' when that goes into a file."""
    words = [part.word for part in node.parts if part.kind == "word"]
    redirects = [part for part in node.parts if part.kind == "redirect"]
    for it in redirects:
        if it.type == "<":
            stdin = _content(repository, it.output.word)
    if not words:
        raise DryRunError("there is a redirection without a command")
    name, arguments = words[0], words[1:]
    if name not in COMMANDS:
        known = ", ".join(sorted(COMMANDS))
        raise DryRunError(f"`{name}` is not understood here; the tools are {known}")
    text = COMMANDS[name](arguments, stdin, repository)
    if text.count("\n") > MAX_LINES:
        raise DryRunError(f"`{name}` writes more than {MAX_LINES:,} lines")
    for it in redirects:
        if it.type in (">", ">>"):
            old = repository.files.get(it.output.word, "") if it.type == ">>" else ""
            repository.files[it.output.word] = old + text
            text = ""
    return text


def _content(repository: Repository, name: str) -> str:
    if name not in repository.files:
        raise DryRunError(f"there is no file {name!r}")
    return repository.files[name]


def _input(names: list[str], stdin: str, repository: Repository) -> list[str]:
    texts = [_content(repository, name) for name in names] if names else [stdin]
    return [line for text in texts for line in text.splitlines()]


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _options(arguments: list[str], known: str) -> tuple[dict[str, str], list[str]]:
    """Split options of one letter (with a value where `known` has a colon) from names."""
    try:
        pairs, rest = getopt.gnu_getopt(arguments, known)
    except getopt.GetoptError as error:
        raise DryRunError(f"{error.msg}: it is not understood here") from None
    return {name[1:]: value for name, value in pairs}, rest


def _grep(arguments: list[str], stdin: str, repository: Repository) -> str:
    flags, rest = _options(arguments, "Ecvi")
    if not rest:
        raise DryRunError("grep needs a pattern")
    pattern = rest[0] if "E" in flags else _basic(rest[0])
    try:
        found = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error as error:
        raise DryRunError(f"grep: the pattern {rest[0]!r} is broken: {error}") from None
    lines = _input(rest[1:], stdin, repository)
    kept = [line for line in lines if bool(found.search(line)) != ("v" in flags)]
    return f"{len(kept)}\n" if "c" in flags else _text(kept)


def _basic(pattern: str) -> str:
    """Return grep's basic pattern as Python writes it: + ? { } | ( ) are letters."""
    return re.sub(r"(?<!\\)([+?{}|()])", r"\\\1", pattern)


def _cut(arguments: list[str], stdin: str, repository: Repository) -> str:
    options, names = _options(arguments, "c:d:f:")
    lines = _input(names, stdin, repository)
    columns = re.fullmatch(r"(\d+)-(\d+)", options.get("c", ""))
    if columns:
        first, last = int(columns[1]), int(columns[2])
        return _text([line[first - 1 : last] for line in lines])
    if options.get("f", "").isdigit() and len(options.get("d", "")) == 1:
        index = int(options["f"]) - 1
        return _text([_field(line, options["d"], index) for line in lines])
    raise DryRunError(
        "cut is understood here as `cut -c1-13` or as `cut -d ' ' -f 4` only"
    )


def _field(line: str, separator: str, index: int) -> str:
    parts = line.split(separator)
    if len(parts) == 1:
        return line  # as cut does without -s
    return parts[index] if index < len(parts) else ""


def _sort(arguments: list[str], stdin: str, repository: Repository) -> str:
    flags, names = _options(arguments, "urn")
    lines = sorted(_input(names, stdin, repository), reverse="r" in flags)
    if "n" in flags:
        lines.sort(key=_leading, reverse="r" in flags)
    return _text(list(dict.fromkeys(lines)) if "u" in flags else lines)


def _leading(line: str) -> int:
    found = re.match(r"\s*(-?\d+)", line)
    return int(found[1]) if found else 0


def _uniq(arguments: list[str], stdin: str, repository: Repository) -> str:
    flags, names = _options(arguments, "c")
    runs: list[list[Any]] = []
    for line in _input(names, stdin, repository):
        if runs and runs[-1][1] == line:
            runs[-1][0] += 1
        else:
            runs.append([1, line])
    return _text([f"{n:>7} {line}" if "c" in flags else line for n, line in runs])


def _cat(arguments: list[str], stdin: str, repository: Repository) -> str:
    return _text(_input(arguments, stdin, repository))


def _echo(arguments: list[str], _stdin: str, _repository: Repository) -> str:
    return " ".join(arguments) + "\n"


def _nothing(_arguments: list[str], _stdin: str, _repository: Repository) -> str:
    return ""


def _git(arguments: list[str], _stdin: str, repository: Repository) -> str:
    match arguments:
        case ["switch", "-c" | "--create", name] | ["checkout", "-b", name]:
            if name in repository.branches:
                raise DryRunError(f"git: a branch named {name!r} is there already")
            repository.branches.add(name)
            repository.branch = name
        case ["switch" | "checkout", name] if name in repository.branches:
            repository.branch = name
        case ["add", *names] if names:
            for name in names:
                _add(name, repository)
        case ["commit", "-m" | "-am", message]:
            _commit(message, repository)
        case ["status" | "log" | "diff", *_]:
            pass
        case _:
            line = " ".join(["git", *arguments])
            raise DryRunError(
                f"`{line}` is not understood here; the commands are git switch -c NAME, "
                'git add FILE..., git commit -m "MESSAGE"'
            )
    return ""


def _add(name: str, repository: Repository) -> None:
    if name in (".", "-A", "--all"):
        for each in list(repository.files):
            if not repository.ignored(each):
                repository.staged[each] = repository.files[each]
        return
    if name.startswith("-"):
        raise DryRunError(f"`git add {name}` is not understood here")
    content = _content(repository, name)
    if repository.ignored(name):
        raise DryRunError(f"git add: {name!r} is ignored by your .gitignore")
    repository.staged[name] = content


def _commit(message: str, repository: Repository) -> None:
    before = dict(repository.commits[-1].files) if repository.commits else {}
    if not message.strip():
        raise DryRunError("git commit: the message is empty")
    if all(before.get(name) == text for name, text in repository.staged.items()):
        raise DryRunError("git commit: nothing to commit; `git add` comes first")
    files = before | repository.staged
    repository.commits.append(Commit(repository.branch, message, files))
    repository.staged = {}


COMMANDS: dict[str, Callable[[list[str], str, Repository], str]] = {
    "cat": _cat,
    "cut": _cut,
    "echo": _echo,
    "git": _git,
    "grep": _grep,
    "set": _nothing,
    "sort": _sort,
    "uniq": _uniq,
}
