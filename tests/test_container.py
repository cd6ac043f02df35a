"""The grading image's files: nothing here builds one, but linters read them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import probe

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "container"
SCRIPTS = [*PLACE.glob("*.sh"), *(ROOT / "autograder" / "templates").glob("*.sh")]


def linter(name):
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return shutil.which(name, path=beside) or pytest.skip(f"{name} is not installed")


def test_hadolint_has_nothing_to_say():
    command = [linter("hadolint"), str(PLACE / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_has_nothing_to_say():
    assert len(SCRIPTS) >= 3
    command = [linter("shellcheck"), *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_told_is_what_the_script_runs(tmp_path):
    engine = tmp_path / "engine"
    engine.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    engine.chmod(0o755)
    room = tmp_path / "a room"
    room.mkdir()
    command = [str(PLACE / "grade.sh"), str(room), "--lesson", "a1"]
    env = os.environ | {"ENGINE": str(engine)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    ran = done.stdout.splitlines()
    told = probe.container_command("docker", str(room))[1:]
    assert set(told) <= set(ran)
    assert ran[-5:] == ["autograder", "grade", "/classroom", "--lesson", "a1"]
    text = " ".join((PLACE / "README.md").read_text().replace("\\\n", " ").split())
    for it in told[:-1]:
        assert it.replace(str(room), "CLASSROOM") in text, it


def test_the_script_says_how_it_is_called():
    done = subprocess.run([str(PLACE / "grade.sh")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage" in done.stderr
