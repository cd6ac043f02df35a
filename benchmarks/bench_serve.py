"""Compare the engines of `course serve` on this machine, in one run.

    python benchmarks/bench_serve.py [THREADS [FOLDER]]

FOLDER holds a model as `course fetch` leaves it: safetensors, tokenizer and GGUF;
the default is the course's chat model. Prints a table in Markdown. The servers'
state goes to a temporary folder: one that is running is left alone.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from course import assets, serve
from course.errors import ModelError
from course.llm import ChatModel, Message, user
from course.llm_api import ApiModel
from course.llm_local import LocalModel

SHORT = user("What is the capital of France?")
LONG = user("The shop sends parcels within two days. " * 31 + "When does it send them?")
TALK = user("Tell me a long story about the sea.")
SAME = [
    "What is the capital of France?",
    "What is the capital of Japan?",
    "Name three fruits.",
    "Who wrote Romeo and Juliet?",
    "Which planet is closest to the sun?",
    "Write one sentence about the sea.",
    "Translate 'good morning' to Spanish.",
    "Why do leaves fall in autumn?",
    "What does HTTP stand for?",
    "Give me a title for a book about cats.",
    "Explain gravity to a child.",
    "What language is spoken in Brazil?",
]


@dataclass(frozen=True)
class Row:
    """One engine's figures; times are medians of three, in seconds."""

    label: str
    start_s: float
    first_short_s: float
    first_long_s: float
    tokens_per_s: float
    cpu_s: float
    rss_mb: float
    streams: bool
    lists_models: bool
    samples: bool
    stop_excluded: bool
    same: int


def first_piece_s(model: ChatModel, message: Message) -> float:
    """Return the seconds until the first piece of the streamed answer."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        pieces = model.stream([message], max_tokens=2)
        next(pieces)
        times.append(time.perf_counter() - start)
        list(pieces)
    return median(times)


def speed(model: ChatModel, pid: int) -> tuple[float, float]:
    """Return tokens per second, and the server's CPU seconds per 100 tokens.

    The second hardly depends on what else the machine is doing.
    """
    process = psutil.Process(pid)
    rates, n_tokens, before = [], 0, process.cpu_times()
    for _ in range(3):
        run = model.chat([TALK], max_tokens=60)
        n_tokens += run.completion_tokens or 0
        rates.append((run.completion_tokens or 0) / run.seconds)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return median(rates), 100 * spent / n_tokens


def lists_models(base_url: str) -> bool:
    """Return whether /v1/models answers."""
    try:
        with ApiModel(base_url, attempts=1) as model:
            return bool(model.name)
    except ModelError:
        return False


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process and its children."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(p.memory_info().rss for p in family) / 1e6


def measure(
    label: str, target: Path, engine: str, threads: int, expected: list[str]
) -> Row:
    """Start the engine, measure it, stop it."""
    start = time.perf_counter()
    info = serve.start(str(target), engine=engine, threads=threads)
    start_s = time.perf_counter() - start
    try:
        with ApiModel(info.base_url, model=info.model, timeout_s=300) as model:
            model.chat([SHORT], max_tokens=4)  # warm up
            hot = [
                model.chat([TALK], temperature=1.5, seed=s, max_tokens=8).text
                for s in range(4)
            ]
            texts = [model.chat([user(q)], max_tokens=24).text for q in SAME]
            tokens_per_s, cpu_s = speed(model, info.pid)
            return Row(
                label=label,
                start_s=start_s,
                first_short_s=first_piece_s(model, SHORT),
                first_long_s=first_piece_s(model, LONG),
                tokens_per_s=tokens_per_s,
                cpu_s=cpu_s,
                rss_mb=rss_mb(info.pid),
                streams=len(list(model.stream([TALK], max_tokens=8))) > 1,
                lists_models=lists_models(info.base_url),
                samples=len(set(hot)) > 1,
                stop_excluded="o"
                not in model.chat([TALK], stop="o", max_tokens=32).text,
                same=sum(a == b for a, b in zip(texts, expected, strict=True)),
            )
    finally:
        serve.stop()


def show(rows: list[Row], n_long: int) -> None:
    """Print the rows as a Markdown table, one column per engine."""
    lines = {
        "start-up, s": [f"{r.start_s:.1f}" for r in rows],
        "first token, short prompt, s": [f"{r.first_short_s:.2f}" for r in rows],
        f"first token, {n_long} tokens, s": [f"{r.first_long_s:.2f}" for r in rows],
        "tokens/s": [f"{r.tokens_per_s:.1f}" for r in rows],
        "CPU s per 100 tokens": [f"{r.cpu_s:.1f}" for r in rows],
        "memory (RSS), MB": [f"{r.rss_mb:.0f}" for r in rows],
        "streams": ["yes" if r.streams else "no" for r in rows],
        "/v1/models offline": ["yes" if r.lists_models else "no" for r in rows],
        "temperature and seed work": ["yes" if r.samples else "no" for r in rows],
        "stop string left out": ["yes" if r.stop_excluded else "no" for r in rows],
        f"same text as in process, of {len(SAME)}": [str(r.same) for r in rows],
    }
    print("| | " + " | ".join(r.label for r in rows) + " |")
    print("|---" * (len(rows) + 1) + "|")
    for name, cells in lines.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure in turn: the engines never run at the same time."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else assets.path("smollm2")
    gguf = next(folder.glob("*.gguf"))
    local = LocalModel(folder)
    expected = [local.chat([user(q)], max_tokens=24).text for q in SAME]
    n_long = len(local.encode(local.render([LONG])))
    del local
    load = [round(x, 1) for x in psutil.getloadavg()]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CROSSROADS_CACHE"] = cache
        serve.start(str(folder), engine="llamacpp")  # makes the float16 copy
        serve.stop()
        engines = [
            ("transformers, float32", folder, "transformers"),
            ("llama.cpp, 4-bit", gguf, "llamacpp"),
            ("llama.cpp, float16", folder, "llamacpp"),
        ]
        rows = [measure(*each, threads, expected) for each in engines]
    show(rows, n_long)
    print(
        f"\n{psutil.cpu_count()} cores, {threads} threads; load average {load} before, ",
        end="",
    )
    print(f"{[round(x, 1) for x in psutil.getloadavg()]} after")


if __name__ == "__main__":
    main()
