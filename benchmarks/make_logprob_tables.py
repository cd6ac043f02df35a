"""Make the frozen tables of lesson A2: course/data/a2_logprobs.json.

    python benchmarks/make_logprob_tables.py [output.json]

Needs the asset smollm2. One thread, float32; about ten minutes of CPU time. The file
names the model, its hash, the number format and the hash of the tickets;
`tests/test_logprobs.py` computes some rows again and compares.
"""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from course import logprobs, manifest
from course.llm_local import LocalModel, load_local
from course.tickets import INTENTS, load_tickets

MODEL = "smollm2"
DECIMALS = 4
DATA = Path(str(resources.files("course") / "data"))


def main() -> None:
    """Ask the model everything once, and write what it says."""
    import torch

    torch.set_num_threads(1)
    model, tickets = load_local(MODEL), load_tickets()
    asked = [it.text for it in tickets.of_split(*logprobs.SPLITS)]
    data: dict[str, dict[str, Any]] = {"meta": described()}
    data |= {"scores": {}, "nulls": {}, "texts": {}}
    for name, (per_label, draw) in logprobs.PROMPTS.items():
        started = time.process_time()
        shots = logprobs.draw_shots(tickets, per_label, draw)
        data["scores"][name] = rows(model, shots, asked)
        data["nulls"][name] = rows(model, shots, logprobs.NULLS)
        if name in logprobs.WRITTEN:
            data["texts"][name] = [written(model, shots, text) for text in asked]
        print(f"{name}: {time.process_time() - started:.0f} CPU seconds", flush=True)
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / logprobs.FILE
    place.write_text(as_text(data), encoding="utf-8")


def described() -> dict[str, str]:
    """Return what the tables were made with."""
    tickets = (DATA / "tickets.json").read_bytes()
    return {
        "model": MODEL,
        "sha256": manifest.load()[MODEL].files[0].sha256,
        "dtype": "float32",
        "transformers": metadata.version("transformers"),
        "torch": metadata.version("torch").split("+")[0],
        "tickets_sha256": hashlib.sha256(tickets).hexdigest(),
        "licence": "CC0-1.0: https://creativecommons.org/publicdomain/zero/1.0/",
    }


def rows(
    model: LocalModel, shots: Sequence[tuple[str, str]], texts: Sequence[str]
) -> list[list[float]]:
    """Return one row of rounded log-probabilities per text."""
    return [
        [
            round(float(it), DECIMALS)
            for it in logprobs.score(model, logprobs.messages(shots, text), INTENTS)
        ]
        for text in texts
    ]


def written(model: LocalModel, shots: Sequence[tuple[str, str]], text: str) -> str:
    """Return what the model writes when it is left to itself."""
    turns = logprobs.messages(shots, text)
    return model.chat(turns, max_tokens=8, stop=["\n"]).text


def as_text(data: dict[str, dict[str, Any]]) -> str:
    """Return JSON with one row of numbers per line: a change shows in a diff."""
    parts = []
    for key, value in data.items():
        if key == "meta":
            parts.append(f'"meta": {json.dumps(value, indent=1)}')
            continue
        tables = [
            f"{json.dumps(name)}: [\n"
            + ",\n".join(json.dumps(row, ensure_ascii=False) for row in table)
            + "\n]"
            for name, table in value.items()
        ]
        parts.append(f'"{key}": {{\n' + ",\n".join(tables) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
