"""Chat models: the shared interface, the scripted fakes, the model in this process."""

import subprocess
import sys

import numpy as np
import pytest

from course import llm
from course.errors import AssetMissing, ModelError, ModelRefused, ModelUnavailable
from course.llm import Completion, ScriptedModel, ScriptedStep, system, user

FRANCE = [user("What is the capital of France?")]


def test_importing_the_interface_loads_no_heavy_library():
    code = "import sys, course.llm; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert not loaded & {"torch", "transformers", "openai", "psutil", "tenacity"}


def test_a_scripted_model_is_a_chat_model():
    assert isinstance(ScriptedModel([]), llm.ChatModel)


def test_a_scripted_model_replies_in_order_and_remembers_what_it_was_asked():
    model = ScriptedModel(["one", Completion("two", finish_reason="length")])
    first = model.chat([system("Count."), user("a")], temperature=0.5, stop="x")
    second = model.chat([user("b")])
    assert (first.text, first.prompt_tokens, first.model) == ("one", 2, "scripted")
    assert (second.text, second.finish_reason) == ("two", "length")
    assert [messages[-1]["content"] for messages in model.history] == ["a", "b"]
    assert (model.sampling[0].temperature, model.sampling[0].stop) == (0.5, ("x",))


def test_a_scripted_history_does_not_change_with_the_callers_messages():
    model, messages = ScriptedModel(["x"]), [user("before")]
    model.chat(messages)
    messages[0]["content"] = "after"
    assert model.history == [[user("before")]]


def test_a_script_raises_the_exceptions_in_it_and_calls_the_functions():
    def last(messages):
        return messages[-1]["content"].upper()

    model = ScriptedModel([ModelUnavailable("busy"), last])
    with pytest.raises(ModelUnavailable, match="busy"):
        model.chat([user("hi")])
    assert model.chat([user("hi")]).text == "HI"


@pytest.mark.parametrize("text", ["a b  c\n", "", "  two", "\n"])
def test_scripted_pieces_join_to_the_text(text):
    assert "".join(ScriptedModel([text]).stream([user("x")])) == text


def test_a_script_that_runs_out_says_so():
    model = ScriptedModel(["only"])
    model.chat([user("1")])
    with pytest.raises(ModelError, match=r"asked 2 times.*holds 1 replies.*'again'"):
        model.chat([user("again")])


def test_a_scripted_step_replays_its_rows_and_runs_out():
    step = ScriptedStep([[0.0, 1.0]])
    row = step([4, 5])
    row[0] = 9
    assert step.history == [[4, 5]]
    assert ScriptedStep([[0.0, 1.0]])([1]).tolist() == [0.0, 1.0]
    with pytest.raises(ModelError, match=r"called 2 times.*holds 1 rows"):
        step([4, 5, 6])
    with pytest.raises(ModelError, match=r"shape \(2,\)"):
        ScriptedStep([1.0, 2.0])


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "at least one message"),
        ("hello", "must be a list"),
        (["hello"], r"messages\[0\] is 'hello'"),
        ([user("a"), {"role": "bot", "content": "b"}], r"messages\[1\]\['role'\]"),
        ([{"role": "user", "content": None}], r"\['content'\] is None"),
    ],
)
def test_malformed_messages_are_refused_before_they_are_sent(messages, says):
    model = ScriptedModel(["x"])
    with pytest.raises(ModelRefused, match=says):
        model.chat(messages)
    assert model.history == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"stop": [""]}, "empty string"),
    ],
)
def test_impossible_options_are_refused_by_chat_and_stream(options, says):
    for call in (ScriptedModel(["x"]).chat, ScriptedModel(["x"]).stream):
        with pytest.raises(ModelRefused, match=says):
            call(FRANCE, **options)


def test_connect_takes_the_server_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("CROSSROADS_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CROSSROADS_MODEL", "theirs")
    with llm.connect() as model:
        assert (model.name, model.base_url) == ("theirs", "http://127.0.0.1:9/v1")


def test_connect_explains_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))
    with pytest.raises(AssetMissing, match="course fetch smollm2"):
        llm.connect()
    with pytest.raises(ModelError, match="CROSSROADS_BASE_URL"):
        llm.connect("api")
    with pytest.raises(ModelError, match="kind is 'cloud'"):
        llm.connect("cloud")


@pytest.fixture(scope="module")
def local():
    return llm.load_local("smollm2")


@pytest.fixture(scope="module")
def ids(local):
    return local.encode(local.render(FRANCE))


@pytest.mark.models
def test_the_local_model_is_loaded_once_per_process(local):
    assert llm.load_local("smollm2") is local
    assert llm.connect() is local


@pytest.mark.models
def test_the_local_model_answers_the_same_each_time(local):
    first, second = (local.chat(FRANCE) for _ in range(2))
    assert "Paris" in first.text
    assert (first.text, first.finish_reason) == (second.text, "stop")
    assert first.completion_tokens == len(local.encode(first.text)) + 1  # the end
    assert first.seconds > 0


@pytest.mark.models
def test_streamed_pieces_join_to_the_chats_text(local):
    pieces = list(local.stream(FRANCE))
    assert len(pieces) > 1
    assert "".join(pieces) == local.chat(FRANCE).text


@pytest.mark.models
def test_the_answer_ends_before_the_first_stop_string(local):
    whole = local.chat(FRANCE).text
    stopped = local.chat(FRANCE, stop=["is Par", "zzzz"])
    assert stopped.text == whole[: whole.index("is Par")]
    assert stopped.finish_reason == "stop"
    assert "".join(local.stream(FRANCE, stop=["is Par"])) == stopped.text


@pytest.mark.models
def test_max_tokens_cuts_the_answer(local):
    cut = local.chat(FRANCE, max_tokens=3)
    assert (cut.completion_tokens, cut.finish_reason) == (3, "length")


@pytest.mark.models
def test_sampling_repeats_with_its_seed_and_varies_without(local):
    def say(seed):
        return local.chat(FRANCE, temperature=1.5, seed=seed, max_tokens=8).text

    assert say(1) == say(1)
    assert len({say(seed) for seed in range(4)}) > 1


@pytest.mark.models
def test_a_tiny_top_p_leaves_only_the_likeliest_token(local):
    narrow = local.chat(FRANCE, temperature=1.5, top_p=1e-6, max_tokens=8)
    assert narrow.text == local.chat(FRANCE, max_tokens=8).text


@pytest.mark.models
def test_text_survives_encoding_and_the_template_shows_its_system_turn(local):
    text = local.render(FRANCE)
    assert text.startswith("<|im_start|>system")
    assert text.endswith("<|im_start|>assistant\n")
    ids = local.encode(text)
    assert local.decode(ids) == text == "".join(local.pieces(ids))
    assert local.encode("<|im_end|>") == list(local.eos_ids)


@pytest.mark.models
def test_steps_with_a_cache_equal_the_whole_pass(local, ids):
    logits = local.logits(ids)
    assert logits.shape == (len(ids), local.n_vocabulary)
    assert logits.dtype == np.float32
    # Growing, jumping ahead, going back, the same again, and another text between.
    for n in (5, 6, 20, 10, len(ids), len(ids)):
        assert np.abs(local.step(ids[:n]) - logits[n - 1]).max() < 1e-3
    other = [7, *ids[1:9]]
    assert np.abs(local.step(other) - local.logits(other)[-1]).max() < 1e-3


@pytest.mark.models
def test_an_interrupted_step_does_not_spoil_the_next(local, ids, monkeypatch):
    local.step(ids[:10])
    layer = local._model.model.layers[5]
    monkeypatch.setattr(
        layer, "forward", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        local.step(ids)
    monkeypatch.undo()
    assert np.abs(local.step(ids) - local.logits(ids)[-1]).max() < 1e-3


@pytest.mark.models
def test_attention_rows_are_distributions_over_the_past(local, ids):
    a = local.attentions(ids)
    assert a.shape == (30, 9, len(ids), len(ids))
    np.testing.assert_allclose(a.sum(axis=-1), 1, atol=1e-5)
    assert np.triu(a, k=1).max() == 0


@pytest.mark.models
def test_hidden_states_go_from_embeddings_to_the_logits(local, ids):
    h = local.hidden_states(ids)
    assert h.shape == (31, len(ids), 576)
    weight = local._model.lm_head.weight.numpy()
    np.testing.assert_allclose(h[-1] @ weight.T, local.logits(ids), atol=1e-2)


@pytest.mark.models
def test_ids_that_the_model_cannot_read_are_refused(local):
    with pytest.raises(ModelRefused, match="ids is empty"):
        local.step([])
    with pytest.raises(ModelRefused, match="holds 49152"):
        local.logits([49152])
    with pytest.raises(ModelRefused, match="reads at most 8192"):
        local.logits([1] * 8193)
    with pytest.raises(ModelRefused, match="max_tokens is 8192"):
        local.chat(FRANCE, max_tokens=8192)


@pytest.mark.models
def test_a_grader_gets_one_thread_and_others_keep_theirs(tmp_path):
    code = (
        "import torch; torch.set_num_threads(2)\n"
        "from course import llm; llm.load_local('smollm2')\n"
        "print(torch.get_num_threads())"
    )

    def threads(**env):
        from course import settings

        run = subprocess.run(
            [sys.executable, "-c", code],
            env=settings.for_child(**env),
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stderr == ""  # no bars, no notes
        return int(run.stdout)

    assert threads(NBGRADER_EXECUTION="autograde") == 1
    assert threads(NBGRADER_EXECUTION="") == 2
