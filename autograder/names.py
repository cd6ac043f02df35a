"""What a name in a check means: the check's own, the instructor's, the student's."""

import builtins
import contextlib
import io
from typing import Any

from autograder.facts import Facts, star_imports
from autograder.link import Link
from autograder.policy import is_named
from autograder.proxies import Proxy
from autograder.student_errors import GraderLimit, StudentError

_BUILTINS = {k: v for k, v in vars(builtins).items() if not k.startswith("_")}


class Names(dict[str, Any]):
    """The globals of all checks: a name that is not in here is looked up elsewhere.

    Setup cells and checks run in here. Answers of exercise cells come from the
    student's process, whatever the student calls them; so do names that nobody
    else knows.
    """

    def __init__(self, facts: Facts) -> None:
        """Begin with nothing: Python's builtins come as they are used."""
        super().__init__()
        self.facts = facts
        self.link: Link | None = None
        self.closed: set[str] = set()  # names that are never asked for over there
        self._held: dict[
            str, Proxy | type
        ] = {}  # functions and classes, until a cell runs
        self._ran: set[str] = set()
        self._sources: dict[str, list[str]] = {}  # name -> what binds it
        for source, names in facts.plain:
            for name in names:
                self._sources.setdefault(name, []).append(source)
        self._sources |= {name: [it] for name, it in facts.imports.items()}
        self.update(__name__="__main__", __builtins__=builtins)

    def __missing__(self, name: str) -> Any:
        if name not in self.facts.answers:
            if name in self._sources and self._trusted(name):
                return dict.__getitem__(self, name)
            if name in _BUILTINS and name not in self._sources:
                self[name] = _BUILTINS[name]  # the next look-up does not come here
                return _BUILTINS[name]
            if name in vars(builtins):
                raise KeyError(name)
            if name in self.closed:  # its cell failed: the student's may be a forgery
                raise NameError(f"name {name!r} is not defined")
        if name in self._held:
            return self._held[name]
        return self._students(name)

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except (KeyError, NameError):
            return False
        return True

    def forget(self, names: tuple[str, ...] = ()) -> None:
        """Drop what is held of the student's, and let a cell's answers shadow ours."""
        self._held.clear()
        for name in names:
            self.pop(name, None)

    def close(self, source: str) -> None:
        """Never ask over there for what this locked cell imports by a star.

        Which names these are, only the import itself can say; all others are closed
        from the start.
        """
        for statement in star_imports(source):
            found: dict[str, Any] = {}
            with contextlib.suppress(Exception):  # then its names are nobody's
                exec(statement, found)  # noqa: S102 - the instructor's
            self.closed |= found.keys() - set(self.facts.answers)

    def _trusted(self, name: str) -> bool:
        """Run the instructor's import or plain cells that bind the name."""
        for source in self._sources[name]:
            if source not in self._ran:
                self._ran.add(source)
                self._run(source)
        return dict.__contains__(self, name)

    def _run(self, source: str) -> None:
        """Run the instructor's text in here, unseen.

        Raises:
            GraderLimit: it fails: the check cannot be run.
        """
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, "<reference>", "exec"), self)  # noqa: S102 - trusted
        except Exception as error:  # noqa: BLE001 - whatever the instructor's text raises
            text = (
                f"the instructor's cell {source[:60]!r} fails in the grader: {error!r}"
            )
            raise GraderLimit(text) from None

    def _students(self, name: str) -> Any:
        if self.link is None:
            raise NameError(f"name {name!r} is not defined")
        try:
            found = self.link.request("get", name)
        except StudentError as error:
            if not isinstance(error, NameError):
                raise
            raise NameError(f"name {name!r} is not defined") from None
        if is_named(found):
            self._held[name] = found
        return found
