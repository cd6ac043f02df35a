"""Turns an asset's raw files into those that lessons read, once.

Run as `python -m course.convert KIND RAW READY`, in a process of its own: a
conversion takes up to several gigabytes, and pickles are opened here.
"""

import gzip
import io
import lzma
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GGUF = "model.gguf"

# All that a pickled table of numbers and texts consists of. Anything else in a
# pickle could be a command to run.
TABLE_PARTS = {
    ("builtins", "slice"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("pandas", "DataFrame"),  # pandas 3 writes the short names
    ("pandas", "Index"),
    ("pandas", "RangeIndex"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.internals.managers", "BlockManager"),
}


def gguf_to_safetensors(raw: Path, ready: Path, dtype: str) -> None:
    """Write a GGUF chat model as safetensors with its tokenizer; keep the GGUF.

    Args:
        raw: holds `model.gguf`.
        ready: gets config.json, model.safetensors, tokenizer files, model.gguf.
        dtype: of the weights on the disk, "float32" or "bfloat16".

    Source: https://huggingface.co/docs/transformers/gguf
    """
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(raw, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(
        raw,
        gguf_file=GGUF,
        quantization_config=GgufConfig(dequantize=True),
        dtype=getattr(torch, dtype),
    )
    split = GGUFReader(raw / GGUF).get_field("tokenizer.ggml.pre")
    restore_pre_tokenizer(tokenizer, split.contents() if split else "")
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(ready)
    tokenizer.save_pretrained(ready)
    (raw / GGUF).replace(ready / GGUF)


def restore_pre_tokenizer(tokenizer: Any, kind: str) -> None:
    """Split texts as the model was trained: transformers drops this on import.

    SmolLM's tokenizer parts digits first, so that two newlines before a digit stay
    together as one token; without it every numbered list is read wrongly.

    Args:
        tokenizer: made from a GGUF file; changed in place.
        kind: the file's `tokenizer.ggml.pre`.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    if kind == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )


class TableUnpickler(pickle.Unpickler):
    """Opens pickles of tables, and refuses all that could run a command."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what the pickle names, if tables are made of it."""
        module = module.replace("numpy.core.", "numpy._core.")  # numpy < 2 wrote it
        if (module, name) not in TABLE_PARTS:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}, which no table needs: refused"
            )
        return super().find_class(module, name)


def pickled_tables(raw: Path, ready: Path) -> None:
    """Write each `x.pkl.xz` as `x.parquet`, without the `rownames` column."""
    for file in sorted(raw.glob("*.pkl.xz")):
        data = lzma.decompress(file.read_bytes())
        table = TableUnpickler(io.BytesIO(data)).load()
        table = table.drop(columns="rownames", errors="ignore")
        table.to_parquet(ready / f"{file.name.removesuffix('.pkl.xz')}.parquet")


def csv_tables(raw: Path, ready: Path) -> None:
    """Write each `x.csv` as `x.parquet`."""
    import pandas as pd

    for file in sorted(raw.glob("*.csv")):
        pd.read_csv(file).to_parquet(ready / f"{file.stem}.parquet")


def idx_arrays(raw: Path, ready: Path) -> None:
    """Write all `*-ubyte.gz` (IDX) files as the arrays of one `arrays.npz`."""
    arrays: dict[str, Any] = {
        file.name.removesuffix(".gz"): read_idx(gzip.decompress(file.read_bytes()))
        for file in sorted(raw.glob("*-ubyte.gz"))
    }
    np.savez_compressed(ready / "arrays.npz", **arrays)


def read_idx(data: bytes) -> NDArray[np.uint8]:
    """Return an IDX file's array of bytes.

    The header: two zeros, the type (8 = bytes), the number of axes, then each
    axis' length as four bytes, big end first.

    Raises:
        ValueError: the header is another, or the data do not fill the shape.

    Source: http://yann.lecun.com/exdb/mnist/
    """
    head, n_axes = data[:4], data[3]
    if head[:3] != b"\x00\x00\x08":
        raise ValueError(f"an IDX file of bytes starts with 00 00 08, not {head.hex()}")
    shape = np.frombuffer(data, dtype=">u4", count=n_axes, offset=4).astype(int)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * n_axes).reshape(shape)


CONVERTERS: Mapping[str, Callable[[Path, Path], None]] = {
    "gguf-float32": lambda raw, ready: gguf_to_safetensors(raw, ready, "float32"),
    "gguf-bfloat16": lambda raw, ready: gguf_to_safetensors(raw, ready, "bfloat16"),
    "pickled-table": pickled_tables,
    "csv": csv_tables,
    "idx": idx_arrays,
}


def main(arguments: list[str]) -> None:
    """Convert the folder RAW into READY."""
    kind, raw, ready = arguments
    CONVERTERS[kind](Path(raw), Path(ready))


if __name__ == "__main__":
    main(sys.argv[1:])
