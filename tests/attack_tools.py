"""Hostile submissions, one in each file of `tests/attacks/`, graded as one class.

A file begins with what it tries and what must come of it; what follows is the answer to
the exercise that it aims at (form `cell`), or a Python function of ours that changes the
notebook (`notebook`) or writes the file (`file`). The ending is no `.py`, so that no tool
imports one by chance. `@ROOM@`, `@REPO@`, `@PORT@`, `@VICTIM@` stand for the classroom,
the repository, a server's port and a process of the same user.
"""

import contextlib
import copy
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
FOLDER = HERE / "attacks"
TARGET = HERE / "data" / "z2_target.py"
NAME = "z2_target"
MOST = {"first": 1.0, "softmax": 2.0, "twice": 1.0, "money": 1.0, "last": 1.0}
HONEST = 6  # submissions without an attack
LIMITS = {"cell_s": 2.0, "call_s": 2.0, "check_s": 6.0}
WALL_S = 30.0
KEYS = {"form", "target", "expect", "others", "nbgrader"}
SECRET = re.compile(r"tell-nobody-[0-9a-f]{8}")  # only hidden tests hold such texts


@dataclass(frozen=True)
class Attack:
    """One file of the suite.

    Attributes:
        name: of the file, and of the student who hands it in.
        tries: what it tries, a sentence.
        form: `cell`, `notebook` or `file`.
        target: the exercise that it aims at.
        expect: the statuses that this exercise may get, or `rejected`.
        keeps: the other exercises, rightly answered, keep their points.
        harmless: may be run by a grader without a sandbox; else `danger` says why not.
        body: what follows the header.
    """

    name: str
    tries: str
    form: str
    target: str
    expect: tuple[str, ...]
    keeps: bool
    harmless: bool
    danger: str
    body: str

    @property
    def is_rejected(self):
        return self.expect == ("rejected",)


def read(path):
    """Return the attack in a file."""
    lines = path.read_text().split("\n")
    head = {}
    while lines and lines[0].startswith("#"):
        line = lines.pop(0)[1:].strip()
        if ": " in line and line.split(": ")[0] in KEYS:
            key, value = line.split(": ", 1)
            head[key] = value
        elif line:
            head["tries"] = f"{head.get('tries', '')} {line}".strip()
    harmless = head["nbgrader"] == "yes"
    danger = "" if harmless else head["nbgrader"].removeprefix("no: ")
    expect = tuple(head["expect"].split("|"))
    body = "\n".join(lines)
    return Attack(
        path.stem,
        head["tries"],
        head["form"],
        head["target"],
        expect,
        "others" not in head,
        harmless,
        danger,
        body,
    )


def suite():
    """Return all attacks, by name."""
    return [read(it) for it in sorted(FOLDER.glob("*.attack"))]


# ---------------------------------------------------------------- the class


def make_room(folder):
    """Return a classroom whose only lesson is the one that the attacks aim at."""
    from class_tools import only_the_example

    from course.classroom import make_classroom

    with only_the_example(folder / "lessons", TARGET.read_text()) as path:
        path.rename(path.with_name(f"{NAME}.py"))
        return make_classroom(folder / "room", hidden_seed=5)


def lesson():
    """Return the lesson that the attacks aim at."""
    from course import lesson as library

    return library.read(TARGET)


def honest(notebook, *, solved):
    """Fill in the solutions of these exercises."""
    from class_tools import cell_of

    for it in lesson().exercises:
        if it.grade_id.removeprefix("z2_") in solved:
            cell_of(notebook, it.grade_id).source = it.solution


def hand_in(room, attack, places):
    """Write an attack's submission."""
    import nbformat
    from class_tools import cell_of

    release = room.path("release", "", NAME) / f"{NAME}.ipynb"
    notebook = copy.deepcopy(nbformat.read(release, as_version=4))
    honest(notebook, solved=set(MOST) - {attack.target})
    body = attack.body
    for key, value in places.items():
        body = body.replace(key, str(value))
    own = {}
    if attack.form == "cell":
        cell_of(notebook, f"z2_{attack.target}").source = body.strip("\n")
    else:
        exec(compile(body, attack.name, "exec"), own)  # ours: it makes the notebook
    if attack.form == "notebook":
        own["change"](notebook, lambda name: cell_of(notebook, name))
    path = room.path("submitted", attack.name, NAME) / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    text = json.dumps(notebook, indent=1)
    if attack.form == "file":
        own["make"](path, text)
    else:
        path.write_text(text)


def hand_in_honest(room):
    """Write submissions that attack nobody: right ones, and an unanswered one."""
    import nbformat
    from class_tools import cell_of

    release = room.path("release", "", NAME) / f"{NAME}.ipynb"
    for number in range(HONEST):
        notebook = nbformat.read(release, as_version=4)
        honest(notebook, solved=set(MOST) if number else set())
        cell_of(notebook, "z2_last").source += f"\n# {number}"
        name = ["honest_nothing", "honest_right"][number > 0] + (
            str(number) if number > 1 else ""
        )
        path = room.path("submitted", name, NAME) / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook))


# ---------------------------------------------------------------- what must not happen


@dataclass
class Surroundings:
    """What attacks may try to reach: servers that count, a process that lives on."""

    room: object
    port: int = 0
    victim: subprocess.Popen = None
    visits: list = field(default_factory=list)
    before: dict = field(default_factory=dict)

    @property
    def places(self):
        return {
            "@ROOM@": self.room.folder,
            "@REPO@": ROOT,
            "@PORT@": self.port,
            "@VICTIM@": self.victim.pid,
        }

    def fingerprints(self):
        """Return the contents of all files that grading does not write."""
        skip = ("gradebook.db", "grading.db", ".grading.lock")
        written = ("logs", "feedback", "autograded")
        found = {}
        for top, folders, names in os.walk(self.room.folder):
            folders[:] = [it for it in folders if it not in written]
            for name in names:
                path = Path(top, name)
                if not name.startswith(skip):
                    is_plain = path.is_file() and not path.is_symlink()
                    small = is_plain and path.stat().st_size < 50 << 20
                    data = path.read_bytes() if small else b""
                    found[str(path.relative_to(self.room.folder))] = hashlib.sha256(
                        data
                    ).hexdigest()
        return found


@contextlib.contextmanager
def surroundings(room):
    """Start servers and a process that attacks try to reach; stop them at the end."""
    own = Surroundings(room)
    servers = [socket.create_server(("127.0.0.1", 0))]
    own.port = servers[0].getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", own.port))
    for address in (str(room.folder / "door"), "\0crossroads-door"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen()
        servers.append(server)

    def accept(server):
        with contextlib.suppress(OSError):
            while True:
                own.visits.append(server.accept()[1])

    def listen():
        with contextlib.suppress(OSError):
            while True:
                own.visits.append(datagrams.recv(100))

    threads = [
        threading.Thread(target=accept, args=(it,), daemon=True) for it in servers
    ]
    for it in (*threads, threading.Thread(target=listen, daemon=True)):
        it.start()
    own.victim = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)"]
    )
    try:
        yield own
    finally:
        for it in (*servers, datagrams):
            with contextlib.suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
            it.close()
        own.victim.kill()
        own.victim.wait()


# ---------------------------------------------------------------- grading


def start(options):
    """The factory that workers are given: the engine, with short limits."""
    from autograder import kinds
    from autograder.engine import Caps
    from autograder.limits import Limits

    engine = kinds.start(options)
    student = Limits(cpu_s=15, memory_mb=384, processes=32, tmp_mb=16, tmp_files=512)
    referee = Limits(cpu_s=60, memory_mb=1024, tmp_mb=16)
    engine.caps = Caps(wall_s=WALL_S, students=12, student=student, referee=referee)
    return engine


def assignment(room, mode):
    """Return the assignment with short limits; pandas and pyplot are loaded as well."""
    from autograder import grading, kinds

    (found,) = kinds.assignments(grading.sources(room, [NAME]), mode)
    preload = [*found.options["preload"], "pandas", "matplotlib.pyplot"]
    return replace(found, limits=LIMITS, options=found.options | {"preload": preload})


def grade(room, mode):
    """Grade the class with two workers, into nbgrader's gradebook; return the report."""
    from autograder import grading, pool, run
    from autograder.probe import Mode

    asked = [assignment(room, mode)]
    threads = 2 if mode is Mode.NESTED else 1
    processes = 2 // threads
    log = room.folder / "logs" / "grader.log"
    log.parent.mkdir(exist_ok=True)

    def workers():
        return pool.Pool(
            asked,
            processes=processes,
            threads=threads,
            factory="attack_tools:start",
            log=log,
        )

    with run.opened_gradebook(room) as writer:
        writer.prepare(NAME, asked[0].source)
        return grading.grade_classroom(room, asked, workers, writer=writer)
