"""A chat model in this process: its tokens, logits and attention are in reach.

Float32 and one code path for `chat` and `stream`, so that greedy answers are the
same each time. Batched generation is not offered: a laptop gains little by it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course import hub, settings
from course.errors import ModelRefused
from course.llm import BaseChatModel, Completion, Message, Sampling

Floats = NDArray[np.float32]


@dataclass
class _Run:
    """What a generation has come to, for the one who asked for it."""

    n_tokens: int = 0
    finish_reason: str = "length"


class LocalModel(BaseChatModel):
    """A causal language model of the transformers library.

    Not for several threads at once: `step` keeps a cache between calls.

    Args:
        folder: configuration, tokenizer and safetensors, as `course fetch` makes.
        name: what the model calls itself; default the folder's name.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        if settings.load().grading:
            # Graders run side by side: two threads each on busy cores are many
            # times slower than one.
            torch.set_num_threads(1)
        self.name = name or folder.name
        self._tokenizer = hub.load_tokenizer(folder)
        self._model = hub.load_weights(AutoModelForCausalLM, folder)
        self._stepper = _Stepper(self._model)
        self.n_vocabulary: int = self._model.config.vocab_size
        self.n_context: int = self._model.config.max_position_embeddings

    def __repr__(self) -> str:
        return f"LocalModel({self.name!r})"

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The ids of the tokens that end an answer."""
        ids = self._model.generation_config.eos_token_id
        return tuple(ids) if isinstance(ids, list) else (int(ids),)

    def render(self, messages: Sequence[Message]) -> str:
        """Return the one text that the model reads for `messages`.

        The template puts in a system message where there is none, and ends with
        the opening of the assistant's turn.
        """
        text = self._tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True
        )
        return str(text)

    def encode(self, text: str) -> list[int]:
        """Return the text's token ids; nothing is added in front or behind.

        Markers such as `<|im_end|>` in the text become the special tokens.
        """
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return [int(i) for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens included."""
        text = self._tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return str(text)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return each token's own text; half a character shows as a lozenge."""
        return [self.decode([i]) for i in ids]

    def logits(self, ids: Sequence[int]) -> Floats:
        """Return the scores of every next token, shape (n_ids, n_vocabulary).

        Row t has seen ids[0..t] and scores the token that comes after.
        """
        out = self._forward(ids)
        return _numpy(out.logits[0])

    def step(self, ids: Sequence[int]) -> Floats:
        """Return the scores of the token after `ids`, shape (n_vocabulary,).

        What `ids` has in common with the last call's is not computed again.
        """
        return _numpy(self._stepper(self._checked(ids)))

    def attentions(self, ids: Sequence[int]) -> Floats:
        """Return who looks at whom, shape (n_layers, n_heads, n_ids, n_ids).

        Each row is one query's distribution over the keys up to itself.
        """
        import torch

        # The fast kernels never form this matrix: only "eager" can return it.
        fast = self._model.config._attn_implementation  # noqa: SLF001 - no getter
        self._model.set_attn_implementation("eager")
        try:
            out = self._forward(ids, output_attentions=True)
        finally:
            self._model.set_attn_implementation(fast)
        return _numpy(torch.stack([layer[0] for layer in out.attentions]))

    def hidden_states(self, ids: Sequence[int]) -> Floats:
        """Return the states, shape (n_layers + 1, n_ids, n_dim); 0 = embeddings.

        The last one has passed the model's final norm.
        """
        import torch

        out = self._forward(ids, output_hidden_states=True)
        return _numpy(torch.stack([layer[0] for layer in out.hidden_states]))

    def _forward(self, ids: Sequence[int], **wanted: bool) -> Any:
        import torch

        with torch.inference_mode():
            return self._model(
                torch.tensor([self._checked(ids)]), use_cache=False, **wanted
            )

    def _checked(self, ids: Sequence[int]) -> list[int]:
        ids = [int(i) for i in ids]
        if not ids:
            raise ModelRefused(
                "ids is empty; the model needs at least one token to go on from: "
                "encode a text, or render a chat"
            )
        bad = next((i for i in ids if not 0 <= i < self.n_vocabulary), None)
        if bad is not None:
            raise ModelRefused(
                f"ids holds {bad}; a token id must be in 0..{self.n_vocabulary - 1}: "
                "get ids from encode()"
            )
        if len(ids) > self.n_context:
            raise ModelRefused(
                f"ids holds {len(ids)} tokens; {self.name} reads at most "
                f"{self.n_context}: shorten the text"
            )
        return ids

    def _complete(self, messages: list[Message], sampling: Sampling) -> Completion:
        ids, run = self._prompt(messages, sampling), _Run()
        text = "".join(self._write(ids, sampling, run))
        return Completion(text, len(ids), run.n_tokens, run.finish_reason)

    def _stream(self, messages: list[Message], sampling: Sampling) -> Iterator[str]:
        ids = self._prompt(messages, sampling)
        return self._write(ids, sampling, _Run())

    def _prompt(self, messages: list[Message], sampling: Sampling) -> list[int]:
        ids = self._checked(self.encode(self.render(messages)))
        if len(ids) + sampling.max_tokens > self.n_context:
            raise ModelRefused(
                f"the prompt has {len(ids)} tokens and max_tokens is "
                f"{sampling.max_tokens}; {self.name} has room for {self.n_context} in "
                "all: shorten the prompt or ask for fewer tokens"
            )
        return ids

    def _write(self, ids: list[int], sampling: Sampling, run: _Run) -> Iterator[str]:
        """Yield text that no later token can change or turn into a stop string."""
        held = max((len(s) for s in sampling.stop), default=1) - 1
        new: list[int] = []
        text, sent = "", 0
        for token in self._tokens(ids, sampling, run):
            new.append(token)
            text = self.decode(new)
            ends = [i for s in sampling.stop if (i := text.find(s)) >= 0]
            if ends:
                run.finish_reason = "stop"
                text = text[: min(ends)]
                break
            # A character cut in two by the tokens shows as U+FFFD until it is whole.
            safe = len(text.rstrip("\ufffd")) - held
            if safe > sent:
                yield text[sent:safe]
                sent = safe
        if text[sent:]:
            yield text[sent:]

    def _tokens(self, ids: list[int], sampling: Sampling, run: _Run) -> Iterator[int]:
        """Yield new tokens up to the one that ends the answer, which is not one."""
        choose = _Chooser(sampling)
        step = _Stepper(self._model)  # a fresh cache: the same sums on each call
        seen = list(ids)
        for _ in range(sampling.max_tokens):
            token = choose(step(seen))
            run.n_tokens += 1
            if token in self.eos_ids:
                run.finish_reason = "stop"
                return
            seen.append(token)
            yield token


class _Stepper:
    """Next-token logits, with the keys and values of the last call's prefix kept."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache, self._seen = self._nothing()

    def __call__(self, ids: list[int]) -> Any:
        """Return the logits after `ids`: a tensor of shape (n_vocabulary,)."""
        import torch

        cache, seen = self._cache, self._seen
        # An interrupted pass leaves some layers longer than others: keep the cache
        # only once the pass is done.
        self._cache, self._seen = self._nothing()
        kept = min(_n_common(seen, ids), len(ids) - 1)  # one token must be new
        if kept < len(seen):
            cache.crop(kept - len(seen))
        with torch.inference_mode():
            out = self._model(
                torch.tensor([ids[kept:]]),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cache, self._seen = cache, list(ids)
        return out.logits[0, -1]

    def _nothing(self) -> tuple[Any, list[int]]:
        from transformers import DynamicCache

        return DynamicCache(config=self._model.config), []


class _Chooser:
    """Picks a token: the likeliest at temperature 0, else a sample of its own seed."""

    def __init__(self, sampling: Sampling) -> None:
        import torch
        from transformers import (
            LogitsProcessorList,
            TemperatureLogitsWarper,
            TopPLogitsWarper,
        )

        self._greedy = sampling.temperature == 0
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)
        self._warp = LogitsProcessorList()
        if not self._greedy:
            self._warp.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if sampling.top_p < 1:
            self._warp.append(TopPLogitsWarper(float(sampling.top_p)))

    def __call__(self, logits: Any) -> int:
        import torch

        if self._greedy:
            return int(logits.argmax())
        scores = self._warp(None, logits[None])
        probs = torch.softmax(scores, dim=-1)
        return int(torch.multinomial(probs, 1, generator=self._random))


def _n_common(a: list[int], b: list[int]) -> int:
    same = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(same, min(len(a), len(b)))


def _numpy(tensor: Any) -> Floats:
    array: Floats = tensor.float().numpy().copy()
    return array


def load_local(name: str | None = None) -> LocalModel:
    """Return the model of the asset `name`; loaded once per process.

    Raises:
        AssetMissing: it is not in the cache.
    """
    from course import assets

    name = name or settings.load().chat_model
    return _load(assets.path(name), name)


@cache
def _load(folder: Path, name: str) -> LocalModel:
    return LocalModel(folder, name)
