"""JupyterLab's nbgrader buttons work in a classroom: a real server, asked over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbgrader
import psutil
import pytest
from class_tools import NAME, hand_in, run, solve

from course.classroom import open_classroom

TOKEN = "a-token-of-this-test"
pytestmark = pytest.mark.slow


class Server:
    """A JupyterLab server on this machine, without a browser."""

    def __init__(self, folder, home):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        env = os.environ | {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home)}
        env |= {"OMP_NUM_THREADS": "1", "JUPYTER_DATA_DIR": str(home / "data")}
        self.log = home / "server.log"
        options = [
            *("--no-browser", "--allow-root", f"--ServerApp.port={self.port}"),
            *("--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"),
            f"--IdentityProvider.token={TOKEN}",
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                cwd=folder,
                env=env,
                stdout=log,
                stderr=log,
            )

    def ask(self, path, data=None):
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body)
        request.add_header("Authorization", f"token {TOKEN}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()

    def wait(self, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.ask("/api/status")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.3)
        raise AssertionError(self.log.read_text())

    def stop(self):
        """End the server; return the processes that outlived it."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=20)
        for process in alive:
            process.kill()
        return alive


@pytest.fixture(scope="module")
def room(example_room, example_lesson, tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    made = open_classroom(shutil.copytree(example_room.folder, place / "room"))
    hand_in(made, "solution", change=solve(example_lesson))
    return made


@pytest.fixture(scope="module")
def server(room):
    home = room.folder.parent / "home"
    home.mkdir()
    started = Server(room.folder, home)
    try:
        started.wait()
        yield started
    finally:
        left = started.stop()
    assert left == []


def test_formgrader_lists_and_grades_the_assignments(server):
    page = server.ask("/formgrader")
    assert "Manage Assignments" in page
    assert 'id="warning-' not in page  # no exchange, no course id
    listed = json.loads(server.ask("/formgrader/api/assignments"))
    assert [(it["name"], it["max_score"]) for it in listed] == [(NAME, 3.0)]
    path = f"/formgrader/api/submission/{NAME}/solution"
    done = json.loads(server.ask(f"{path}/autograde", {}))
    assert done["success"], done
    assert json.loads(server.ask(path))["score"] == 3.0


def test_the_assignment_list_offers_fetches_and_hands_in(server, room):
    release = f"/formgrader/api/assignment/{NAME}/release"
    assert json.loads(server.ask(release, {}))["success"]
    listed = json.loads(server.ask("/assignments?course_id=crossroads"))
    assert listed["success"], listed
    assert [(it["assignment_id"], it["status"]) for it in listed["value"]] == [
        (NAME, "released")
    ]
    what = {"course_id": "crossroads", "assignment_id": NAME}
    fetched = json.loads(server.ask("/assignments/fetch", what))
    assert [it["status"] for it in fetched["value"]] == ["fetched"]
    assert (room.folder / NAME / f"{NAME}.ipynb").exists()
    submitted = json.loads(server.ask("/assignments/submit", what))
    assert "submitted" in [it["status"] for it in submitted["value"]]


def test_the_labextension_and_the_server_have_one_version(server):
    answer = server.ask(f"/nbgrader_version?version={nbgrader.__version__}")
    assert json.loads(answer)["success"]


def test_validate_names_what_fails_in_a_skeleton_and_nothing_in_a_solution(
    server, room
):
    def validate(path):
        answer = json.loads(server.ask("/assignments/validate", {"path": path}))
        assert answer["success"], answer
        return answer["value"]

    skeleton = validate(f"release/{NAME}/{NAME}.ipynb")
    assert len(skeleton["failed"]) == 2
    assert "softmax([0, 1])" in json.dumps(skeleton["failed"])
    solved = validate(f"submitted/solution/{NAME}/{NAME}.ipynb")
    assert not solved.get("failed")


def test_nbgrader_s_command_line_validates_too(room):
    done = run(room, "nbgrader", "validate", f"submitted/solution/{NAME}/{NAME}.ipynb")
    assert "Success" in done.stdout
