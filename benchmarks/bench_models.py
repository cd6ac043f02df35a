"""What the optional better model does on the lessons' tasks, beside the small one.

    course fetch qwen-0.5b
    python benchmarks/bench_models.py > benchmarks/bench_models.jsonl

Prints one row of shares and seconds per model: 16 facts of the world (A1), the tickets of
A2's test part (raw, calibrated and written, with 8 shots), 27 answers from the right page
(A4), and how often a written answer has the form that was asked for. One thread, greedy.
About three CPU minutes for smollm2 and six for qwen-0.5b. Lesson A2 shows the table.
"""

import json
import sys
import time
from collections.abc import Sequence

import numpy as np

from course import logprobs
from course.handbook import load_handbook, states
from course.llm import user
from course.llm_local import LocalModel, load_local
from course.tickets import INTENTS, Ticket, load_tickets

FACTS = {
    "What is the capital of Japan?": ["Tokyo"],
    "What is the capital of Norway?": ["Oslo"],
    "What is the capital of Australia?": ["Canberra"],
    "How many days has a leap year?": ["366"],
    "How many legs has a spider?": ["8", "eight"],
    "What is 7 times 8?": ["56"],
    "What is 13 times 17?": ["221"],
    "Which planet is closest to the sun?": ["Mercury"],
    "What is the chemical symbol of gold?": ["Au"],
    "Who wrote Romeo and Juliet?": ["Shakespeare"],
    "In which year did the Second World War end?": ["1945"],
    "What colour do blue and yellow paint make?": ["green"],
    "What is the opposite of hot?": ["cold"],
    "How do you say 'thank you' in German?": ["danke"],
    "At how many degrees Celsius does water boil at sea level?": ["100"],
    "What is the largest ocean?": ["Pacific"],
}
PROMPT = "Use this information: {page}\n\nAnswer the question: {question}"


def main() -> None:
    """Measure the models that are named, and print their rows."""
    import torch

    torch.set_num_threads(1)
    for name in sys.argv[1:] or ["smollm2", "qwen-0.5b"]:
        model, started = load_local(name), time.process_time()
        row = {"model": name} | facts(model) | ladder(model) | pages(model)
        row["cpu_s"] = time.process_time() - started
        print(json.dumps({k: _short(v) for k, v in row.items()}), flush=True)


def facts(model: LocalModel) -> dict[str, float]:
    """Return the share of facts of the world that the model states."""
    right = [
        states(model.chat([user(q)], max_tokens=24, stop=["\n"]).text, answers)
        for q, answers in FACTS.items()
    ]
    return {"facts": float(np.mean(right))}


def ladder(model: LocalModel) -> dict[str, float]:
    """Return shares of A2's test tickets that are sorted rightly, with 8 shots."""
    tickets = load_tickets()
    shots, asked = logprobs.draw_shots(tickets, 1, 0), tickets.of_split("test")
    truth = np.array([it.label for it in asked])
    scores = _scores(model, shots, [it.text for it in asked])
    nulls = _scores(model, shots, logprobs.NULLS)
    calibrated = scores - np.log(np.exp(nulls).mean(axis=0))
    half = asked[::2]
    said = [_written(model, shots, it) for it in half]
    right = [s == t.intent for s, t in zip(said, half, strict=True)]
    return {
        "raw": float((scores.argmax(axis=1) == truth).mean()),
        "calibrated": float((calibrated.argmax(axis=1) == truth).mean()),
        "written": float(np.mean(right)),
        "form": float(np.mean([s in INTENTS for s in said])),
    }


def pages(model: LocalModel) -> dict[str, float]:
    """Return the shares of A4's questions answered from the right page, by kind."""
    book, out = load_handbook(), {}
    for kind, step in (("paraphrase", 3), ("code", 2)):
        right = []
        for q in book.of_kind(kind)[::step]:
            page = book.pages[book.index[str(q.page)]].full
            asked = [user(PROMPT.format(page=page, question=q.text))]
            said = model.chat(asked, max_tokens=24, stop=["\n"]).text
            right.append(states(said, q.answers))
        out[f"page, {kind}"] = float(np.mean(right))
    return out


def _scores(
    model: LocalModel, shots: Sequence[tuple[str, str]], texts: Sequence[str]
) -> np.ndarray:
    return np.array(
        [logprobs.score(model, logprobs.messages(shots, it), INTENTS) for it in texts]
    )


def _written(
    model: LocalModel, shots: Sequence[tuple[str, str]], ticket: Ticket
) -> str:
    turns = logprobs.messages(shots, ticket.text)
    text = model.chat(turns, max_tokens=8, stop=["\n"]).text
    return text.strip().removeprefix("Topic:").strip(" .\"'*").lower()


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
