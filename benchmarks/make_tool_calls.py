"""Make `course/data/tool_calls.json`: what the live model says to 56 requests.

    python benchmarks/make_tool_calls.py OUT.json

Lesson A5 judges these frozen texts and log-probabilities, so that its grades do not
depend on a model. For each request: the greedy answer to a prompt without examples
(`zero`) and with three (`few`), at most `MAX_TOKENS` tokens (test part only); for each tool, the
log-probabilities of its name's tokens after `{"name": "` (`name`), the arguments that
the model then writes when it may write digits or an article number only (`arguments`),
and the log-probabilities of the words in `WANTS` (`wants`). Needs the asset smollm2;
takes five to ten minutes with one thread.

The prompts and `WANTS` were chosen on the 16 requests of the dev part.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from course.llm import load_local, user
from course.llm_local import LocalModel
from course.requests import Request, load_requests
from course.shop import PRODUCTS

MAX_TOKENS = 40
TOOLS = {
    "order_status": "(order_id: integer) say where an order is",
    "cancel_order": "(order_id: integer) cancel an order",
    "open_return": "(order_id: integer, sku: string) open the return of an article",
    "product_info": "(sku: string) price and stock of an article",
    "search_handbook": "(question: string) look up a rule or a fact",
}
ARGUMENTS = {
    "order_status": ("order_id",),
    "cancel_order": ("order_id",),
    "open_return": ("order_id", "sku"),
    "product_info": ("sku",),
    "search_handbook": (),
}
ZERO = (
    "These are your tools:\n{tools}\n"
    'Answer with one JSON object {{"name": ..., "arguments": {{...}}}} and nothing '
    "else.\n\nRequest: {text}"
)
FEW = "The tools of a lamp shop's assistant:\n{tools}\n{shots}\nRequest: {text}\nCall:"
SHOTS = (
    ("Where is order 77?", {"name": "order_status", "arguments": {"order_id": 77}}),
    (
        "What does the SP-100 cost?",
        {"name": "product_info", "arguments": {"sku": "SP-100"}},
    ),
    (
        "When are you open?",
        {"name": "search_handbook", "arguments": {"question": "When are you open?"}},
    ),
)
ROUTE = 'A customer of a lamp shop wrote: "{text}" The customer wants to'
WANTS = {
    "order_status": " know where an order is",
    "cancel_order": " cancel an order",
    "open_return": " return an article",
    "product_info": " know the price of an article",
    "search_handbook": " know something about the shop",
}


def few_prompt(text: str) -> str:
    """Return the plain text with three examples that the model is to go on with."""
    tools = "\n".join(f"- {name}{what}" for name, what in TOOLS.items())
    shots = "".join(f"\nRequest: {q}\nCall: {json.dumps(call)}" for q, call in SHOTS)
    return FEW.format(tools=tools, shots=shots, text=text)


def zero_prompt(text: str) -> str:
    """Return the instruction without examples."""
    tools = "\n".join(f"- {name}{what}" for name, what in TOOLS.items())
    return ZERO.format(tools=tools, text=text)


def go_on(lm: LocalModel, text: str) -> str:
    """Return the rest of the line that the model writes behind the text."""
    ids = lm.encode(text)
    new: list[int] = []
    for _ in range(MAX_TOKENS):
        token = int(lm.step(ids + new).argmax())
        if token in lm.eos_ids or "\n" in lm.decode([token]):
            break
        new.append(token)
    return lm.decode(new)


def log_probs(lm: LocalModel, ids: list[int], option: list[int]) -> list[float]:
    """Return the log-probability of each token of the option behind `ids`."""
    out = []
    for i, token in enumerate(option):
        logits = lm.step(ids + option[:i]).astype(np.float64)
        top = logits.max()
        out.append(float(logits[token] - top - np.log(np.exp(logits - top).sum())))
    return [round(it, 5) for it in out]


def digits(lm: LocalModel, ids: list[int], allowed: list[int], most: int = 6) -> int:
    """Return the whole number that the model writes when it may write nothing else."""
    seen = list(ids)
    new: list[int] = []
    end = lm.encode("}")[0], lm.encode(",")[0]
    for _ in range(most):
        logits = lm.step(seen)
        options = allowed + list(end if new else ())
        best = max(options, key=lambda i: logits[i])
        if best in end:
            break
        new.append(best)
        seen.append(best)
    return int(lm.decode(new).strip())


def article(lm: LocalModel, ids: list[int]) -> str:
    """Return the article number that the model writes when it must write one of them."""
    left = {sku: lm.encode(sku + '"') for sku in (product[0] for product in PRODUCTS)}
    new: list[int] = []
    while len(left) > 1:
        at = len(new)
        logits = lm.step(ids + new)
        new.append(max({o[at] for o in left.values()}, key=lambda i: logits[i]))
        left = {sku: o for sku, o in left.items() if o[at] == new[-1]}
    return next(iter(left))


def arguments(lm: LocalModel, head: str, tool: str, text: str) -> dict[str, Any]:
    """Return the arguments that the model writes when it must fit the schema."""
    number_ids = [lm.encode(str(d))[-1] for d in range(10)]
    written: dict[str, Any] = {}
    body = head + f'{tool}", "arguments": {{'
    if tool == "search_handbook":
        return {"question": text}
    for argument in ARGUMENTS[tool]:
        if argument == "order_id":
            written["order_id"] = digits(
                lm, lm.encode(body + '"order_id": '), number_ids
            )
            body += f'"order_id": {written["order_id"]}, '
        else:
            written["sku"] = article(lm, lm.encode(body + '"sku": "'))
    return written


def row(lm: LocalModel, request: Request) -> dict[str, Any]:
    """Return what the model says to one request."""
    out: dict[str, Any] = {"zero": "", "few": "", "arguments": {}}
    ids = lm.encode(ROUTE.format(text=request.text))
    out["wants"] = {t: log_probs(lm, ids, lm.encode(w)) for t, w in WANTS.items()}
    plain = few_prompt(request.text)
    if request.part == "test":
        asked = [user(zero_prompt(request.text))]
        out["zero"] = lm.chat(asked, max_tokens=MAX_TOKENS).text
        out["few"] = go_on(lm, plain)
    head = plain + ' {"name": "'
    ids = lm.encode(head)
    out["name"] = {t: log_probs(lm, ids, lm.encode(t + '"')) for t in TOOLS}
    if request.part == "test":
        out["arguments"] = {t: arguments(lm, head, t, request.text) for t in TOOLS}
    return out


def main() -> None:
    """Ask the model, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="smollm2", help="an asset of course fetch")
    options = parser.parse_args()
    lm = load_local(options.model)
    rows, start = {}, time.process_time()
    for request in load_requests():
        rows[request.id] = row(lm, request)
        spent = time.process_time() - start
        print(f"{request.id} {spent:6.0f} CPU s  {rows[request.id]['few']!r}")
    table = {"model": lm.name, "wants": WANTS, "rows": rows}
    text = json.dumps(table, ensure_ascii=False)
    options.out.write_text(text.replace('}, "r', '},\n"r') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
