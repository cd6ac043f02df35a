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
    if os.getuid() == 0:
        os.chown(room, 1000, 1000)
    command = [str(PLACE / "grade.sh"), str(room), "--lesson", "a1"]
    env = os.environ | {"ENGINE": str(engine)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    ran = done.stdout.splitlines()
    told = probe.container_command("docker", str(room))[1:]
    assert ran == [*told, "--lesson", "a1"]
    text = " ".join((PLACE / "README.md").read_text().replace("\\\n", " ").split())
    own = f"{room.stat().st_uid}:{room.stat().st_gid}"
    for it in told:
        shown = it.replace(str(room), "CLASSROOM").replace(own, '"$(id -u):$(id -g)"')
        assert shown in text, it


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be root")
def test_nothing_is_graded_as_root(tmp_path):
    command = [str(PLACE / "grade.sh"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "chown -R 1000:1000" in done.stderr
    told = probe.container_command("docker", str(tmp_path))
    assert told[told.index("--user") + 1] == "1000:1000"
    os.chown(tmp_path, 1234, 1235)
    env = os.environ | {"ENGINE": "echo"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert "--user 1234:1235 " in done.stdout


def test_podman_maps_an_ordinary_user_to_itself(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    docker = probe.container_command("docker", "room")
    podman = probe.container_command("podman", "room")
    assert set(podman) - set(docker) == {"podman", "--userns=keep-id"}


@pytest.mark.parametrize("mark", probe.IN_CONTAINER)
def test_in_a_container_the_remedy_is_how_to_start_it(monkeypatch, tmp_path, mark):
    there = tmp_path / Path(mark).name
    monkeypatch.setattr(probe, "IN_CONTAINER", (str(there),))
    none = probe.choose(lambda _: "forbidden", lambda: ("", "no engine"))
    assert "Install bubblewrap" in none.remedy
    there.touch()
    told = probe.choose(lambda _: "forbidden", lambda: ("", "no engine"))
    assert told.mode is probe.Mode.NONE
    assert "--security-opt systempaths=unconfined" in told.remedy


def test_the_script_says_how_it_is_called():
    done = subprocess.run([str(PLACE / "grade.sh")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage" in done.stderr
