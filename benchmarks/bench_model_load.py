"""How much faster the chat model loads from the cache than from its GGUF file.

    python benchmarks/bench_model_load.py [ASSET] [--repeat N]

Each load runs in a process of its own, with the library's modules imported before
the clock starts; the files are read once before, so that the disk is not measured.
"""

import argparse
import json
import statistics
import subprocess
import sys

from course import assets

CHILD = """
import json, sys, time
started = time.perf_counter()
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.llama import modeling_llama
from transformers.models.qwen2 import modeling_qwen2
folder, source = sys.argv[1:]
options = {"gguf_file": "model.gguf"} if source == "gguf" else {}
for file in ("model.gguf",) if options else ("model.safetensors", "tokenizer.json"):
    with open(f"{folder}/{file}", "rb") as opened:
        while opened.read(1 << 24):
            pass
if options:
    import gguf
imported = time.perf_counter()
AutoTokenizer.from_pretrained(folder, **options)
tokenizer = time.perf_counter()
AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
done = time.perf_counter()
print(json.dumps({
    "tokenizer_s": tokenizer - imported,
    "model_s": done - tokenizer,
    "load_s": done - imported,
    "import_s": imported - started,
}))
"""


def load(folder: object, source: str) -> dict[str, float]:
    """Return the seconds of one load in a fresh process."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, str(folder), source],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return seconds


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("asset", nargs="?", default="smollm2")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    folder = assets.path(options.asset)
    medians = {}
    for source in ("gguf", "cache"):
        runs = [load(folder, source) for _ in range(options.repeat)]
        middle = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        medians[source] = middle["load_s"]
        parts = ", ".join(f"{key} {value:.2f}" for key, value in middle.items())
        print(f"{source:5}  {parts}  (median of {options.repeat})")
    print(f"ratio  {medians['gguf'] / medians['cache']:.1f}")


if __name__ == "__main__":
    main()
