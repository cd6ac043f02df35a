"""The model server: started, found, shared and stopped by any process."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from course import assets, serve, serve_child, serve_engines, settings
from course.errors import AssetMissing, ServerError
from course.gguf_float import float16_copy
from course.llm import user
from course.llm_api import ApiModel
from course.llm_local import LocalModel

FRANCE = [user("What is the capital of France?")]


@pytest.fixture(scope="session")
def real_cache():
    """The user's own cache of models."""
    return settings.load().cache_dir


@pytest.fixture(autouse=True)
def cache(real_cache, tmp_path, monkeypatch):
    """A cache folder of the test's own; whatever serves from it is stopped."""
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))
    yield tmp_path / "serve"
    serve.stop()


@pytest.fixture(scope="session")
def model_folder(real_cache, tmp_path_factory):
    """The chat model, as a folder with the model's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSROADS_CACHE", str(real_cache))
        return assets.path("smollm2")


@pytest.fixture(scope="session")
def gguf(model_folder, tmp_path_factory):
    """The float16 copy, made once for all tests."""
    return float16_copy(
        model_folder / "model.gguf", tmp_path_factory.mktemp("f16") / "smollm2.gguf"
    )


def gone(pid):
    """Whether the process ended; the system may take a moment to bury it."""
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < end:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


def fake_command(code):
    """A `command` that runs Python code with the port as its last argument."""

    def command(model, port, engine, n_threads, copies):
        return model, [sys.executable, "-c", code, str(port)]

    return command


ANSWERS = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


@pytest.fixture
def quick(monkeypatch):
    """An engine that is at once there."""
    monkeypatch.setattr(serve_engines, "command", fake_command(ANSWERS))


def test_a_started_server_is_found_shared_and_stopped(quick, cache):
    info = serve.start("tiny")
    assert (info.model, info.engine) == ("tiny", "llamacpp")
    assert info.base_url == f"http://127.0.0.1:{info.port}/v1"
    assert serve.status() == info
    assert serve.start() == serve.start("tiny", info.port, "llamacpp") == info
    assert serve.stop() == info
    assert gone(info.pid)
    assert serve.status() is None
    assert serve.stop() is None
    assert not (cache / "state.json").exists()


def test_a_server_that_has_no_command_line_yet_has_not_ended(quick, monkeypatch):
    """Between its start and the first of its own instructions, a process has none."""
    known, asked = psutil.Process.cmdline, []

    def cmdline(self):
        asked.append(self.pid)
        return [] if len(asked) < 3 else known(self)

    monkeypatch.setattr(psutil.Process, "cmdline", cmdline)
    info = serve.start("tiny")
    assert serve.status() == info
    assert len(asked) >= 3


def test_another_process_finds_and_stops_it(quick):
    info = serve.start("tiny")
    code = "from course import serve; print(serve.stop().pid)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert int(run.stdout) == info.pid
    assert serve.status() is None


def test_a_second_one_of_another_kind_is_refused(quick):
    serve.start("tiny")
    for other in ({"model": "big"}, {"port": 1}, {"engine": "transformers"}):
        with pytest.raises(ServerError, match="course serve --stop"):
            serve.start(**other)


def test_an_unknown_engine_is_refused():
    with pytest.raises(ServerError, match="engine is 'vllm'"):
        serve.start("tiny", engine="vllm")


def test_a_server_without_threads_is_refused():
    with pytest.raises(ServerError, match="threads is 0"):
        serve.start("tiny", threads=0)


def test_a_port_in_use_is_refused(quick):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServerError, match="must be free"):
            serve.start("tiny", taken.getsockname()[1])
    with pytest.raises(ServerError, match=r"0\.\.65535"):
        serve.start("tiny", 99999)


def test_a_server_that_ends_is_reported_with_its_last_words(monkeypatch, cache):
    code = "print('no such tensor'); raise SystemExit(3)"
    monkeypatch.setattr(serve_engines, "command", fake_command(code))
    with pytest.raises(ServerError, match=r"(?s)ended before.*no such tensor"):
        serve.start("tiny")
    assert serve.status() is None


def test_a_server_that_does_not_answer_is_ended_at_the_limit(monkeypatch, cache):
    code = "import time; print('loading', flush=True); time.sleep(60)"
    monkeypatch.setattr(serve_engines, "command", fake_command(code))
    with pytest.raises(ServerError, match=r"(?s)within 2 s.*loading"):
        serve.start("tiny", limit_s=2)
    assert serve.status() is None


def test_a_pid_that_is_another_process_now_is_not_ours_to_stop(cache):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as stranger:
        info = serve.ServerInfo("http://127.0.0.1:5/v1", stranger.pid, "m", "llamacpp")
        created = psutil.Process(stranger.pid).create_time()
        for known in (created, created - 100):  # same start, then another start
            state = {"info": vars(info), "created": known}
            cache.mkdir(exist_ok=True)
            (cache / "state.json").write_text(json.dumps(state))
            assert serve.status() is None
            assert serve.stop() is None
        assert stranger.poll() is None
        stranger.communicate(b"\n")


@pytest.mark.parametrize("text", ["", "{", '{"info": {}, "created": 1}', "[]"])
def test_a_spoilt_state_file_means_that_nothing_runs(cache, text):
    cache.mkdir()
    (cache / "state.json").write_text(text)
    assert serve.status() is None
    assert not (cache / "state.json").exists()


def test_a_server_that_ignores_the_polite_signal_is_ended_all_the_same(
    monkeypatch, cache
):
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWERS
    monkeypatch.setattr(serve_engines, "command", fake_command(deaf))
    monkeypatch.setattr(serve, "STOP_LIMIT_S", 0.5)
    info = serve.start("tiny")
    serve.stop()
    assert gone(info.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_in_the_foreground_it_ends_with_its_terminal(quick, sent):
    info = serve.start("tiny")
    code = (
        "import signal\n"  # a job in the background ignores interrupts
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from course import serve; print('up', flush=True)\n"
        "serve.run_until_interrupted(serve.status())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE
    ) as terminal:
        terminal.stdout.readline()
        time.sleep(0.3)
        terminal.send_signal(getattr(signal, sent))
        assert terminal.wait(timeout=30) == 0
    assert gone(info.pid)


def test_in_the_foreground_a_server_that_dies_is_reported(quick):
    info = serve.start("tiny")
    psutil.Process(info.pid).kill()
    with pytest.raises(ServerError, match="ended by itself"):
        serve.run_until_interrupted(info)


def test_a_missing_model_names_the_command():
    with pytest.raises(AssetMissing, match="course fetch smollm2"):
        serve.start()


def test_the_server_does_not_get_the_key(monkeypatch):
    monkeypatch.setenv("CROSSROADS_API_KEY", "secret")
    assert "secret" not in settings.for_child(A="1").values()


def test_the_description_can_be_pasted(quick):
    info = serve.start("tiny")
    assert f"CROSSROADS_BASE_URL={info.base_url}" in serve.describe(info)


def test_a_wrong_command_line_of_the_child_is_refused():
    with pytest.raises(SystemExit, match="unknown arguments"):
        serve_child.main(["launch"])


@pytest.mark.models
def test_the_real_server_knows_over_http_what_the_model_knows_in_process(
    gguf, model_folder
):
    info = serve.start(str(gguf), threads=1)  # two collapse on busy cores
    with ApiModel(info.base_url) as model:
        assert model.name == "smollm2"  # a name, not a path
        answer = model.chat(FRANCE)
        assert "".join(model.stream(FRANCE)) == answer.text
        hot = {
            model.chat(FRANCE, temperature=1.5, seed=s, max_tokens=8).text
            for s in (1, 1, 2, 3)
        }
        stopped = model.chat(FRANCE, stop=[" Paris"])
    assert "Paris" in answer.text
    assert (answer.finish_reason, answer.prompt_tokens) == ("stop", 37)
    assert 1 < len(hot) <= 3
    assert stopped.text == answer.text[: answer.text.index(" Paris")]
    # Another arithmetic: the words may differ, the fact may not.
    assert "Paris" in LocalModel(model_folder).chat(FRANCE).text


@pytest.mark.models
def test_an_asset_is_served_from_its_float16_copy_which_is_made_once(
    model_folder, tmp_path
):
    name, command = serve_engines.command(str(model_folder), 5, "llamacpp", 1, tmp_path)
    copy = next(tmp_path.glob("*-f16.gguf"))
    assert (name, command[-1], str(copy) in command) == ("smollm2", "5", True)
    made = copy.stat().st_mtime_ns
    serve_engines.command(str(model_folder), 5, "llamacpp", 1, tmp_path)
    assert copy.stat().st_mtime_ns == made
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.models
@pytest.mark.slow
def test_the_transformers_engine_answers_too(model_folder):
    pytest.importorskip("fastapi")
    info = serve.start(str(model_folder), engine="transformers", threads=1)
    assert serve.start("smollm2") == info  # the same model, by its other name
    with ApiModel(info.base_url, model=info.model) as model:
        answer = model.chat(FRANCE)
        assert "Paris" in answer.text
        assert "".join(model.stream(FRANCE)) == answer.text
