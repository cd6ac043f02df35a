"""Opens a folder in the Hugging Face format: from disk only, and quietly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' bars and warnings in this block, and only in it.

    Loading prints a bar for half a second's work, and notes on files that a
    learner cannot act on; a notebook's output is better without.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_tokenizer(folder: Path) -> Any:
    """Return the folder's tokenizer, padding on the left.

    With padding on the right, batched generation continues the padding of every
    prompt but the longest: the model then answers with an empty line.
    """
    from transformers import AutoTokenizer

    with quiet():
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, padding_side="left"
        )


def load_weights(auto_class: Any, folder: Path) -> Any:
    """Return the folder's model in float32, ready for inference.

    The type is pinned because it changes texts: the same prompt may continue
    differently in bfloat16.
    """
    import torch

    with quiet():
        model = auto_class.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
    return model.eval().requires_grad_(requires_grad=False)
