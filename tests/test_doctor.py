"""The doctor sees what is wrong, says what to do, and keeps secrets."""

import json
import shutil
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest

from course import doctor


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("CROSSROADS_CACHE", str(folder))
    return folder


@pytest.fixture
def server():
    """An OpenAI-compatible server that knows one key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers.get("Authorization") == "Bearer right-key"
            self.send_response(200 if known else 401)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as it:
        Thread(target=it.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{it.server_port}/v1"
        it.shutdown()


def look():
    return {it.what: it for it in doctor.diagnose()}


def test_every_failing_finding_ends_with_a_remedy(cache):
    failing = [it for it in doctor.diagnose() if not it.ok]
    assert {it.what for it in failing} >= {"smollm2", "minilm", "squad", "ames"}
    assert all(it.remedy for it in failing)


def test_an_empty_cache_is_mended_by_fetch(cache):
    found = look()
    assert found["smollm2"].remedy.startswith("course fetch smollm2")
    assert found["cache folder"].ok


def test_an_optional_asset_is_offered_and_stops_nothing(cache):
    found = look()["qwen-1.5b"]
    assert found.ok
    assert "course fetch qwen-1.5b" in found.remedy


def test_a_cache_that_cannot_be_written_is_found(cache):
    cache.write_text("a file in its place")
    found = look()["cache folder"]
    assert not found.ok
    assert "CROSSROADS_CACHE" in found.remedy


def test_looking_leaves_nothing_in_the_cache(cache):
    doctor.diagnose()
    assert list(cache.iterdir()) == []


def test_this_environment_has_kernel_extensions_and_torch(cache):
    found = look()
    for what in (
        "Python",
        "PyTorch",
        "Jupyter kernel python3",
        "nbgrader in JupyterLab",
    ):
        assert found[what].ok, found[what]


def test_an_old_python_is_refused(cache, monkeypatch):
    monkeypatch.setattr(doctor, "MIN_PYTHON", (3, 99))
    assert "Python 3.11" in look()["Python"].remedy


def test_a_switched_off_extension_is_named_with_its_command(cache, monkeypatch):
    off = "nbgrader.server_extensions.formgrader"
    monkeypatch.setattr(doctor, "_enabled_extensions", lambda: {off: False})
    found = look()["nbgrader in JupyterLab"]
    assert not found.ok
    assert f"enable --sys-prefix {off}" in found.remedy


def test_a_kernel_of_another_environment_is_found(cache, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["/elsewhere/python"], "display_name": "x", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    found = look()["Jupyter kernel python3"]
    assert not found.ok
    assert sys.executable in found.remedy


def test_missing_git_or_make_is_said_and_stops_nothing(cache, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = look()
    assert found["git"].ok
    assert found["make"].found == "not there"
    assert "README" in found["make"].remedy


def test_a_small_disk_fails_while_assets_are_missing(cache, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert not look()["free disk"].ok


def test_little_memory_is_said_and_stops_nothing(cache, monkeypatch):
    memory = psutil.virtual_memory()._replace(available=10**9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    found = look()["free memory"]
    assert found.ok
    assert "close programs" in found.remedy


def test_a_look_that_breaks_is_a_finding_itself(cache, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: 1 / 0)
    found = look()["tools"]
    assert not found.ok
    assert "ZeroDivisionError" in found.found


@pytest.mark.parametrize(("key", "ok"), [("right-key", True), ("wrong-key", False)])
def test_a_server_is_asked_and_its_key_is_never_shown(
    cache, server, monkeypatch, key, ok
):
    monkeypatch.setenv("CROSSROADS_BASE_URL", server)
    monkeypatch.setenv("CROSSROADS_API_KEY", key)
    findings = doctor.diagnose()
    found = next(it for it in findings if it.what == "chat model")
    assert found.ok == ok
    assert "key set" in found.found
    assert key not in doctor.table(findings) + repr(findings)


def test_a_server_that_is_not_there_is_reported(cache, monkeypatch):
    monkeypatch.setenv("CROSSROADS_BASE_URL", "http://me:secret@127.0.0.1:9/v1")
    found = look()["chat model"]
    assert not found.ok
    assert "secret" not in found.found
    assert "course serve" in found.remedy


def test_the_table_marks_fine_better_and_broken():
    findings = [
        doctor.Finding("a", ok=True, found="x"),
        doctor.Finding("b", ok=True, found="x", remedy="could be"),
        doctor.Finding("c", ok=False, found="x", remedy="must be"),
    ]
    _, *rows = doctor.table(findings).splitlines()
    assert [row[:2] for row in rows] == ["ok", "--", "!!"]
