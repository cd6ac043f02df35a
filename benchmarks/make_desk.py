"""Make the data of lesson F1: course/data/desk.json and desk_vectors.npz.

    course fetch complaints
    python benchmarks/make_desk.py [--models smollm2 qwen-0.5b] [--out FOLDER]

Needs the assets complaints, minilm and the chat models that are named. Scores of models
that are not named are taken over from the file that is there. One thread, float32; about
two minutes of CPU time for the vectors and nine for smollm2.
`tests/test_desk.py` computes some rows again and compares.

1. Families: two complaints are near-copies when the sets of their runs of three words
   have a cosine above 0.3; families are the connected components of that.
2. Draw: one complaint of each family, 12 to 150 words, in seeded random order; of each
   kind the first 120 for training, the next 50 for the test.
3. Embed: texts, names and sentences of the kinds.
4. Prompt: the log-probability of each kind's name behind "Topic:".

It also counts what the published split of the sample leaks, into `meta`.
"""

import argparse
import json
import time
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from course import desk, logprobs, manifest
from course.datasets import load_complaints

DATA = Path(str(resources.files("course") / "data"))
NEAR = 0.3
WORDS = (12, 150)
SEED = 0
DECIMALS = 3


def sample() -> pd.DataFrame:
    """Return all 13,000 complaints: text, kind, is_test, n_words, family."""
    parts = [
        part.set_axis(["text", "product"], axis=1).assign(is_test=is_test)
        for is_test, part in zip((False, True), load_complaints(), strict=True)
    ]
    found = pd.concat(parts, ignore_index=True)
    kind_of = {product: name for name, (product, _) in desk.KINDS.items()}
    found["kind"] = found["product"].map(kind_of)
    found["n_words"] = found["text"].str.split().str.len()
    found["family"] = families(list(found["text"]))
    return found


def families(texts: list[str]) -> np.ndarray:
    """Return the number of each text's family of near-copies, shape (n_texts,)."""
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    runs = TfidfVectorizer(
        ngram_range=(3, 3), binary=True, use_idf=False, token_pattern=r"[a-z0-9']+"
    ).fit_transform(texts)
    near = runs @ runs.T
    near.data = (near.data > NEAR).astype(np.int8)
    near.eliminate_zeros()
    numbers: np.ndarray = connected_components(near, directed=False)[1]
    return numbers


def leak(every: pd.DataFrame) -> dict[str, Any]:
    """Return what a classifier gains from near-copies in the published split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = every[~every["is_test"]], every[every["is_test"]]
    weigh = TfidfVectorizer(token_pattern=r"[a-z]+")
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(weigh.fit_transform(train["text"]), train["kind"])
    right = model.predict(weigh.transform(test["text"])) == test["kind"].to_numpy()
    copied = test["family"].isin(set(train["family"])).to_numpy()
    return {
        "test_rows": len(test),
        "with_a_near_copy_in_train": int(copied.sum()),
        "accuracy_with": round(float(right[copied].mean()), 3),
        "accuracy_without": round(float(right[~copied].mean()), 3),
        "most_in_one_family": int(every["family"].value_counts().max()),
        "pair": pair(train, test),
    }


def pair(train: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """Return two near-copies, one on each side: the least masked, then the shortest."""
    fits = [part[part["n_words"].between(40, 120)] for part in (train, test)]
    both = fits[0].merge(fits[1], on="family", suffixes=("", "_test"))
    both = both[both["text"] != both["text_test"]]
    masked = both["text"].str.count("XX") + both["text_test"].str.count("XX")
    both = both.assign(masked=masked).sort_values(["masked", "n_words"], kind="stable")
    return [" ".join(both.iloc[0][it].split()) for it in ("text", "text_test")]


def count_ms(parts: dict[str, list[str]]) -> float:
    """Return the CPU milliseconds that counting words takes for one complaint."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train = [(name, it) for name, part in parts.items() for it in part]
    kinds, texts = zip(*((n.split(" ", 1)[1], it) for n, it in train), strict=True)
    weigh = TfidfVectorizer(token_pattern=r"[a-z]+", sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=1000).fit(
        weigh.fit_transform(texts), kinds
    )
    start = time.process_time()
    for text in texts[:200]:
        model.predict_proba(weigh.transform([text]))
    return 1000 * (time.process_time() - start) / 200


def drawn(every: pd.DataFrame) -> dict[str, list[str]]:
    """Return {"train bank account": [...], ..., "test student loan": [...]}."""
    fits = every["n_words"].between(*WORDS)
    one = every.sample(frac=1, random_state=SEED).drop_duplicates("family")
    one = one[fits.loc[one.index]]
    parts: dict[str, list[str]] = {}
    for name in desk.NAMES:
        own = [" ".join(it.split()) for it in one.loc[one["kind"] == name, "text"]]
        assert len(own) >= desk.TRAIN + desk.TEST, (name, len(own))
        parts[f"train {name}"] = own[: desk.TRAIN]
        parts[f"test {name}"] = own[desk.TRAIN :][: desk.TEST]
    return {
        f"{side} {name}": parts[f"{side} {name}"]
        for side in ("train", "test")
        for name in desk.NAMES
    }


def embedded(parts: dict[str, list[str]]) -> tuple[dict[str, np.ndarray], float]:
    """Return the arrays of the vectors' file, and the CPU ms of one complaint."""
    from course.embed import load_embedder

    model = load_embedder()
    texts = [text for part in parts.values() for text in part]
    start = time.process_time()
    for text in texts[:100]:  # one by one, as they come to a desk
        model.encode([text])
    ms = 1000 * (time.process_time() - start) / 100
    groups = {"texts": texts, "names": desk.NAMES, "sentences": desk.SENTENCES}
    arrays: dict[str, np.ndarray] = {}
    for name, group in groups.items():
        numbers, scale = desk.packed(model.encode(list(group)))
        arrays |= {name: numbers, f"{name}_scale": scale}
    return arrays, ms


def prompted(name: str, asked: list[str]) -> dict[str, Any]:
    """Return a chat model's scores of each text, and of the texts without content."""
    from course.llm_local import load_local

    model = load_local(name)

    def rows(texts: list[str]) -> list[list[float]]:
        return [
            np.round(
                logprobs.score(model, desk.messages(text), desk.NAMES), DECIMALS
            ).tolist()
            for text in texts
        ]

    start = time.process_time()
    scores = rows(asked)
    ms = 1000 * (time.process_time() - start) / len(asked)
    return {
        "sha256": manifest.load()[name].files[0].sha256,
        "cpu_ms": round(ms),
        "nulls": rows(list(desk.NULLS)),
        "scores": scores,
    }


def as_text(data: dict[str, Any]) -> str:
    """Return JSON with one complaint, one row of numbers a line: diffs can be read."""

    def table(rows: list[Any]) -> str:
        return "[\n" + ",\n".join(json.dumps(it) for it in rows) + "\n]"

    texts = [f"{json.dumps(k)}: {table(v)}" for k, v in data["complaints"].items()]
    models = []
    for name, found in data["prompted"].items():
        fields = [
            f"{json.dumps(k)}: {table(v) if isinstance(v, list) else json.dumps(v)}"
            for k, v in found.items()
        ]
        models.append(f"{json.dumps(name)}: {{\n" + ",\n".join(fields) + "\n}")
    return (
        f'{{\n"meta": {json.dumps(data["meta"], indent=1)},\n"complaints": {{\n'
        + ",\n".join(texts)
        + '\n},\n"prompted": {\n'
        + ",\n".join(models)
        + "\n}\n}\n"
    )


def described() -> dict[str, Any]:
    """Return what all this is made with."""
    every = manifest.load()
    return {
        "licence": "US public domain: Consumer Financial Protection Bureau",
        "complaints_sha256": [it.sha256 for it in every["complaints"].files],
        "embedder_sha256": next(
            it.sha256 for it in every["minilm"].files if it.name == "model.safetensors"
        ),
        "dtype": "float32; vectors kept in one byte a number",
        "torch": metadata.version("torch").split("+")[0],
        "transformers": metadata.version("transformers"),
    }


def main() -> None:
    """Draw, embed, prompt, write."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["smollm2"])
    parser.add_argument("--out", type=Path, default=DATA)
    args = parser.parse_args()
    torch.set_num_threads(1)
    every = sample()
    parts = drawn(every)
    path = args.out / desk.FILE
    kept = json.loads(path.read_text("utf-8"))["prompted"] if path.exists() else {}
    asked = [it for name in desk.NAMES for it in parts[f"test {name}"]]
    arrays, ms = embedded(parts)
    np.savez(args.out / desk.VECTORS, **arrays)  # type: ignore[arg-type]
    meta = described() | {
        "embed_ms": round(ms),
        "count_ms": round(count_ms(parts), 1),
        "leak": leak(every),
    }
    data = {"meta": meta, "complaints": parts, "prompted": kept}
    path.write_text(as_text(data), encoding="utf-8")
    for name in args.models:
        kept[name] = prompted(name, asked)
        path.write_text(as_text(data), encoding="utf-8")
        print(f"{name}: {kept[name]['cpu_ms']} CPU ms a complaint", flush=True)


if __name__ == "__main__":
    main()
