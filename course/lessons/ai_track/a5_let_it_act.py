# ---
# jupyter:
#   crossroads:
#     id: a5
#     track: ai_track
#     title: Let it act
#     partner: m5
#     assets: [smollm2]
#     cpu_s: 30
# ---

# %% [markdown]
# # A5 · Let it act
#
# *Day 5, the AI engineer's half. The other half of the day is M5.*
#
# Lampa's assistant can find the right page. Now customers write *Where is order 1402?* and
# *Cancel 1594, please*. No page answers these: the answer is in the shop's database, and the
# second one has to **change** it. The model cannot do either. It can only write text. So
# everything that happens between its text and your database is your code, and your
# responsibility: what it may ask for, whether what it wrote makes sense, who has to say yes,
# and when it has to stop.
#
# Today you write that code. You describe functions to a model, read its calls, find those
# that are well formed and wrong, let it choose only among what exists, run an agent that
# cannot run away, and give it SQL that cannot hurt. At the end you speak MCP, the protocol by
# which assistants and tools of different makers understand each other, first by hand and
# then with the official library.
#
# {{exercises}}
#
# Reading takes another ten to fifteen minutes. Run the cells from the top. The cells that
# talk to the model take about a minute in all on a quiet laptop.

# %% setup
import contextlib
import inspect
import io
import json
import re
import sqlite3
import tempfile
from pathlib import Path

import numpy as np

from course.feedback import (
    call_within,
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.progress import again, outcome
from course.requests import load_requests, load_said
from course.shop import PRODUCTS, make_shop, open_shop
from course.shop_tools import WRITES, shop_tools

folder = tempfile.mkdtemp()
shop = str(make_shop(Path(folder) / "shop.db"))
tools = shop_tools(shop)
TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}

# %% [markdown]
# ## 1 · What a tool is
#
# To you, a tool is a Python function. This is one of Lampa's five, and what it returns:

# %%
print(inspect.signature(tools["order_status"]))
print(inspect.getdoc(tools["order_status"]))
print(tools["order_status"](1402))

# %% [markdown]
# A model sees neither the function nor its result. It sees a **description**: a name, a
# sentence, and a *JSON Schema* of the arguments, the same for every model, every maker and
# every protocol. For a function like this one,
#
# ```python
# def book_table(day: str, people: int = 2) -> dict:
#     """Book a table in the café."""
# ```
#
# it is this, written as JSON (in Python, `false` is `False`):
#
# ```json
# {
#   "name": "book_table",
#   "description": "Book a table in the café.",
#   "inputSchema": {
#     "type": "object", "required": ["day"], "additionalProperties": false,
#     "properties": {"day": {"type": "string"}, "people": {"type": "integer"}}
#   }
# }
# ```
#
# `required` names the arguments without a default value, in their order.
# `additionalProperties: false` says that there are no others. Both are easy to forget, and
# without them `{}` and `{"day": "today", "price": 0}` are valid calls.
#
# ### Exercise: `schema`
#
# - **In:** a function, each of whose arguments has an annotation that is a key of
#   `TYPES` (`int`, `float`, `str`, `bool`), and a docstring.
# - **Out:** its description, as above. `TYPES` maps Python's names to JSON's.
#
# `inspect.signature(fn).parameters` gives the names and the parameters; each has an
# `annotation` and a `default`, which is `inspect.Parameter.empty` if there is none.


# %% exercise="schema" points=2 minutes=7 difficulty=1
def schema(fn):
    """Return what a model is told of the function."""
    # 1. properties: each argument's type, in JSON's words
    # 2. required: the arguments without a default
    # 3. wrap: name, description, and the schema that allows nothing else
    ### BEGIN SOLUTION
    parameters = inspect.signature(fn).parameters.values()
    nothing = inspect.Parameter.empty
    inside = dict(type="object", additionalProperties=False)
    inside["properties"] = {
        p.name: {"type": TYPES[p.annotation]} for p in parameters
    }
    inside["required"] = [p.name for p in parameters if p.default is nothing]
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}
    ### END SOLUTION
    return {"name": fn.__name__, "inputSchema": {}}  # replace this line


# %% [markdown]
# Look before you check: the example's description, and yours.


# %%
def book_table(day: str, people: int = 2) -> dict:
    """Book a table in the café."""


print(json.dumps(schema(book_table), indent=1, ensure_ascii=False))


# %% [markdown]
# The check writes functions as text, and asks you for their descriptions:


# %%
def described(source):
    """Return your schema of the one function that this text defines."""
    names = {}
    exec(source, names)
    return schema(list(names.values())[-1])


# %% check="schema"
JSON_NAMES = {"int": "integer", "float": "number", "str": "string"}
JSON_NAMES["bool"] = "boolean"


def expect_schema(name, about, arguments):
    """Judge one function; arguments are (name, type, default or None)."""
    inside = ", ".join(
        f"{a}: {kind}" + ("" if default is None else f" = {default}")
        for a, kind, default in arguments
    )
    line = f"def {name}({inside})"
    got = described(f'{line}:\n    """{about}"""\n')
    expect_type(got, dict, f"schema of `{line}`")
    for key in ("name", "description", "inputSchema"):
        expect(
            key in got,
            f"schema of `{line}` has no {key!r}: the model is told a name, a "
            "description and the inputSchema, under exactly these keys.",
        )
    expect_equal(got["name"], name, f'"name" of `{line}`')
    expect_equal(
        got["description"],
        about,
        f'"description" of `{line}`',
        mistakes={
            "the description is None: it is the function's docstring. The "
            "model chooses a tool by this sentence.": None
        },
    )
    body = got["inputSchema"]
    expect_type(body, dict, f'"inputSchema" of `{line}`')
    expect_equal(body.get("type"), "object", '"type" of the inputSchema')
    properties = body.get("properties")
    expect_type(properties, dict, '"properties"')
    for a, kind, _ in arguments:
        expect(a in properties, f"`{line}`: the argument {a} is no property.")
        said = properties[a]
        expect_type(said, dict, f"the property {a}")
        expect(
            said.get("type") != kind,
            f"the argument {a} has type {kind!r}, which is Python's word. "
            f"JSON's is {JSON_NAMES[kind]!r}: use TYPES.",
        )
        expect_equal(said, {"type": JSON_NAMES[kind]}, f"the property {a}")
    expect_equal(list(properties), [a for a, _, _ in arguments], "properties")
    want = [a for a, _, default in arguments if default is None]
    expect(
        "required" in body,
        f"`{line}`: there is no `required`. Then {{}} is a valid call, and the "
        "tool crashes instead of the check in front of it.",
    )
    required = list(body["required"])
    expect(
        not set(required) - set(want),
        f"`{line}`: required is {required}. An argument with a default value "
        "may be left out: only those without one are required.",
    )
    expect_equal(required, want, f"`required` of `{line}`")
    expect(
        body.get("additionalProperties") is False,
        f"`{line}`: additionalProperties is not False, so a call with an "
        "argument that the function does not have is valid.",
    )


with check("a5.schema"):
    arguments = [("day", "str", None), ("people", "int", "2")]
    expect_schema("book_table", "Book a table in the café.", arguments)
    expect_schema("now", "Tell the time.", [])
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    values = {"int": "0", "float": "0.0", "str": "''", "bool": "False"}
    for i in range(12):
        arguments = []
        has_default = False
        for j in range(int(rng.integers(0, 5))):
            kind = str(rng.choice(list(values)))
            has_default = has_default or rng.random() < 0.3
            default = values[kind] if has_default else None
            arguments.append((f"a{j}", kind, default))
        expect_schema(f"tool_{i}", f"Do thing {i}.", arguments)
    ### END HIDDEN TESTS

# %% [markdown] hint="schema"
# Sketch: take the parameters with `inspect.signature(fn).parameters.values()`. Fill a
# dictionary of properties and a list of required names in one loop. A default of `0` or `""`
# is a default too: compare with `inspect.Parameter.empty`, not with truth.

# %% [markdown] hint="schema"
# ```python
# properties, required = {}, []
# for p in inspect.signature(fn).parameters.values():
#     properties[p.name] = {"type": TYPES[...]}
#     if p.default is ...:
#         required.append(...)
# return {"name": fn.__name__, "description": ..., "inputSchema": {...}}
# ```


# %% right="schema"
def schema(fn):
    properties, required = {}, []
    for name, p in inspect.signature(fn).parameters.items():
        properties[name] = {"type": TYPES[p.annotation]}
        if p.default is p.empty:
            required.append(name)
    return dict(
        name=fn.__name__,
        description=fn.__doc__.strip(),
        inputSchema=dict(
            type="object",
            properties=properties,
            required=required,
            additionalProperties=False,
        ),
    )


# %% right="schema"
def schema(fn):
    code = fn.__code__
    names = code.co_varnames[: code.co_argcount]
    n_required = len(names) - len(fn.__defaults__ or ())
    kinds = fn.__annotations__
    return {
        "name": fn.__name__,
        "description": fn.__doc__,
        "inputSchema": {
            "type": "object",
            "properties": {n: {"type": TYPES[kinds[n]]} for n in names},
            "required": list(names[:n_required]),
            "additionalProperties": False,
        },
    }


# %% wrong="schema" says="there is no `required`"
def schema(fn):
    parameters = inspect.signature(fn).parameters.values()
    properties = {p.name: {"type": TYPES[p.annotation]} for p in parameters}
    inside = {"type": "object", "properties": properties}
    inside["additionalProperties"] = False
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}


# %% wrong="schema" says="may be left out"
def schema(fn):
    parameters = inspect.signature(fn).parameters.values()
    properties = {p.name: {"type": TYPES[p.annotation]} for p in parameters}
    inside = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}


# %% wrong="schema" says="Python's word"
def schema(fn):
    properties, required = {}, []
    for name, p in inspect.signature(fn).parameters.items():
        properties[name] = {"type": p.annotation.__name__}
        if p.default is p.empty:
            required.append(name)
    inside = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}


# %% wrong="schema" says="additionalProperties is not False"
def schema(fn):
    properties, required = {}, []
    for name, p in inspect.signature(fn).parameters.items():
        properties[name] = {"type": TYPES[p.annotation]}
        if p.default is p.empty:
            required.append(name)
    inside = {
        "type": "object",
        "properties": properties,
        "required": required,
    }
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}


# %% wrong="schema" says="has no 'description'"
def schema(fn):
    properties, required = {}, []
    for name, p in inspect.signature(fn).parameters.items():
        properties[name] = {"type": TYPES[p.annotation]}
        if p.default is p.empty:
            required.append(name)
    inside = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return {"name": fn.__name__, "inputSchema": inside}


# %% wrong="schema" says="`required` of `def"
def schema(fn):
    # a default of 0 or "" is taken for no default
    properties, required = {}, []
    for name, p in inspect.signature(fn).parameters.items():
        properties[name] = {"type": TYPES[p.annotation]}
        if p.default is p.empty and p.annotation is not bool:
            required.append(name)
    inside = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    about = inspect.getdoc(fn)
    return {"name": fn.__name__, "description": about, "inputSchema": inside}


# %%
schemas = [schema(tool) for tool in tools.values()]
for it in schemas:
    arguments = ", ".join(it["inputSchema"].get("properties", {}))
    print(f"{it['name']:16}({arguments}): {it.get('description')}")

# %% [markdown]
# ## 2 · Read a call out of a text
#
# Asked for a call, models write JSON, more or less: with a friendly sentence in front, in a
# box of three backticks, with an explanation behind. Your code has to find the call in
# there, or to say what is wrong. Whatever it does, it never *runs* what it reads: the text is
# made of what strangers wrote.
#
# ### Exercise: `parse_call`
#
# - **In:** `text`, what the model wrote.
# - **Out:** the first JSON object in the text, if it is a **call**: a dictionary with exactly
#   two keys, `"name"` (a string) and `"arguments"` (a dictionary). If it is none, or if there
#   is no object, `{"error": "a sentence that says what is wrong"}`. Never an exception.
#
# The *first JSON object* begins at the first `{` from which an object can be read. So
# `"Take {this}: {\"name\": ...}"` holds one. `json.JSONDecoder().raw_decode(text, i)` reads
# a value that begins at place `i`, returns it and where it ends, and raises a `ValueError`
# if there is none.
#
# Why exactly two keys? Because tomorrow somebody adds a key `"confirmed"` to the program,
# and today's model already writes `"confirmed": true`.


# %% exercise="parse_call" points=2 minutes=9 difficulty=2
def parse_call(text):
    """Return the call in the text, or {"error": why there is none}."""
    # 1. find: the first { from which an object can be read
    # 2. judge: exactly the keys name and arguments, of the right types
    ### BEGIN SOLUTION
    for i, sign in enumerate(text):
        if sign != "{":
            continue
        try:
            found, _ = json.JSONDecoder().raw_decode(text, i)
        except ValueError:
            continue
        if set(found) != {"name", "arguments"}:
            return {"error": f"keys are {sorted(found)}, not name, arguments"}
        if not isinstance(found["name"], str):
            return {"error": "name must be a string"}
        if not isinstance(found["arguments"], dict):
            return {"error": "arguments must be an object"}
        return found
    return {"error": "there is no JSON object in the text"}
    ### END SOLUTION
    return {"error": "not written yet"}  # replace this line


# %% check="parse_call"
def parsed(text):
    """Return the learner's answer; an exception is a mistake of its own."""
    try:
        got = call_within(5, parse_call, text)
    except Exception as raised:
        if isinstance(raised, AssertionError):
            raise
        fail(
            f"parse_call raises {type(raised).__name__} for {text!r}. Models "
            "write anything: return {'error': ...}, so that the model can be "
            "told."
        )
    expect_type(got, dict, f"parse_call({text!r})")
    return got


def expect_call(text, name, arguments, why):
    got = parsed(text)
    if got == {"name": name, "arguments": arguments}:
        return
    fail(f"parse_call({text!r}) is {got}. {why}")


def expect_error(text, why):
    got = parsed(text)
    expect("error" in got, f"parse_call({text!r}) is {got}. {why}")
    expect_equal(list(got), ["error"], f"the keys of parse_call({text!r})")
    expect_type(got["error"], str, "the error")
    expect(len(got["error"]) > 5, "the error must say what is wrong.")


with check("a5.parse_call"):
    status = '{"name": "order_status", "arguments": {"order_id": 1402}}'
    plain = "This text is nothing but a call."
    expect_call(status, "order_status", {"order_id": 1402}, plain)
    nested = (
        "A call holds an object inside: the first } does not end it. Let the "
        "JSON decoder find the end, not a regular expression."
    )
    friendly = f"Sure! Here it is:\n```json\n{status}\n```\nAnything else?"
    expect_call(friendly, "order_status", {"order_id": 1402}, nested)
    two = f"{status}\nRequest: and this?\n" + status.replace("1402", "77")
    first = (
        "There are two calls: take the first. From the first { to the last } "
        "is no JSON."
    )
    expect_call(two, "order_status", {"order_id": 1402}, first)
    none = "There is no JSON object in it: return an error, not a call."
    expect_error("I cannot do that.", none)
    python = (
        "This is Python, not JSON. To read it you have run it: eval and its "
        "kin execute what a stranger wrote. Use the json module."
    )
    expect_error("{'name': 'now', 'arguments': {'day': 6 * 7}}", python)
    extra = (
        "It has a third key: a call has exactly name and arguments. Extra keys "
        "are a model's way to confirm its own calls."
    )
    expect_error('{"name": "now", "arguments": {}, "confirmed": true}', extra)
    lacks = "The key arguments is missing: return an error."
    expect_error('{"name": "now"}', lacks)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    brace = (
        "The first { begins no JSON: go on to the next. The first one from "
        "which an object can be read counts."
    )
    expect_call(
        "Take {this}: " + status, "order_status", {"order_id": 1402}, brace
    )
    inside = "The } stands inside of a string: it ends nothing."
    tricky = '{"name": "search", "arguments": {"q": "what is } or { ?"}}'
    expect_call(tricky, "search", {"q": "what is } or { ?"}, inside)
    kinds = "name must be a string and arguments a dictionary."
    expect_error('{"name": 7, "arguments": {}}', kinds)
    expect_error('{"name": "now", "arguments": [1]}', kinds)
    expect_error('{"name": "now", "arguments": null}', kinds)
    expect_error("", none)
    expect_error("[]", none)
    cut = (
        "The text was cut off before the call's last brace. What can be read "
        "is only the inner object, and that is no call."
    )
    expect_error(status[:-1], cut)
    first_only = "The first object in the text is no call: return an error."
    expect_error('{"thought": "easy"} ' + status, first_only)
    for _ in range(20):
        letters = [chr(int(c)) for c in rng.integers(97, 123, size=6)]
        name = "".join(letters)
        arguments = {"n": int(rng.integers(100)), "deep": {"a": [1, {}]}}
        text = json.dumps({"arguments": arguments, "name": name})
        expect_call(f"{name}: {text} {{", name, arguments, nested)
    ### END HIDDEN TESTS

# %% [markdown] hint="parse_call"
# Sketch: go through the places of the text. At each `{`, try `raw_decode`; on a
# `ValueError`, go on to the next place. The first object that can be read decides: check its
# keys with `set(found)`, then the two types, and return it or an error. Behind the loop there
# was no object at all.

# %% [markdown] hint="parse_call"
# ```python
# for i, sign in enumerate(text):
#     if sign != "{":
#         continue
#     try:
#         found, end = json.JSONDecoder().raw_decode(text, ...)
#     except ValueError:
#         ...                       # not from here: go on
#     if set(found) != {...}:
#         return {"error": ...}
#     if ...:                       # the two types
#         return {"error": ...}
#     return found
# return {"error": ...}
# ```


# %% right="parse_call"
def parse_call(text):
    start = text.find("{")
    while start >= 0:
        try:
            found = json.JSONDecoder().raw_decode(text[start:])[0]
            break
        except json.JSONDecodeError:
            start = text.find("{", start + 1)
    else:
        return {"error": "no object here"}
    match found:
        case {"name": str(), "arguments": dict()} if len(found) == 2:
            return found
    return {"error": f"this is no call: {found}"}


# %% right="parse_call"
def parse_call(text):
    for start in re.finditer(r"\{", text):
        for end in re.finditer(r"\}", text[start.start() :]):
            try:
                it = json.loads(text[start.start() : start.start() + end.end()])
            except ValueError:
                continue
            good = isinstance(it.get("name"), str)
            good = good and isinstance(it.get("arguments"), dict)
            return it if good and len(it) == 2 else {"error": "not a call"}
    return {"error": "nothing found"}


# %% wrong="parse_call" says="execute what a stranger wrote"
def parse_call(text):
    start, end = text.find("{"), text.find("\n", text.find("{"))
    try:
        found = eval(text[start:] if end < 0 else text[start:end])
    except Exception:
        return {"error": "not a call"}
    if not isinstance(found, dict) or set(found) != {"name", "arguments"}:
        return {"error": "not a call"}
    return found


# %% wrong="parse_call" says="the first } does not end it"
def parse_call(text):
    try:
        found = json.loads(text)
    except ValueError:
        match = re.search(r"\{.*?\}", text, flags=re.DOTALL)
        try:
            found = json.loads(match[0]) if match else None
        except ValueError:
            found = None
    if not isinstance(found, dict) or set(found) != {"name", "arguments"}:
        return {"error": "not a call"}
    return found


# %% wrong="parse_call" says="take the first"
def parse_call(text):
    match = re.search(r"\{.*\}", text, flags=re.DOTALL)
    try:
        found = json.loads(match[0]) if match else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or set(found) != {"name", "arguments"}:
        return {"error": "not a call"}
    return found


# %% wrong="parse_call" says="raises JSONDecodeError"
def parse_call(text):
    found = json.loads(text[text.find("{") : text.rfind("}") + 1])
    if set(found) != {"name", "arguments"}:
        return {"error": "not a call"}
    return found


# %% wrong="parse_call" says="third key; confirm its own"
def parse_call(text):
    for i, sign in enumerate(text):
        if sign == "{":
            try:
                found, _ = json.JSONDecoder().raw_decode(text, i)
            except ValueError:
                continue
            if "name" in found and "arguments" in found:
                return found
            return {"error": "not a call"}
    return {"error": "no object"}


# %% wrong="parse_call" says="name must be a string"
def parse_call(text):
    for i, sign in enumerate(text):
        if sign == "{":
            try:
                found, _ = json.JSONDecoder().raw_decode(text, i)
            except ValueError:
                continue
            if set(found) == {"name", "arguments"}:
                return found
            return {"error": "not a call"}
    return {"error": "no object"}


# %% wrong="parse_call" says="go on to the next"
def parse_call(text):
    start = text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, max(start, 0))
    except ValueError:
        return {"error": "no JSON"}
    if not isinstance(found, dict) or set(found) != {"name", "arguments"}:
        return {"error": "not a call"}
    if not isinstance(found["name"], str):
        return {"error": "not a call"}
    if not isinstance(found["arguments"], dict):
        return {"error": "not a call"}
    return found


# %% [markdown]
# ## 3 · Valid is not right
#
# This is what the small model wrote to the first five of 40 requests, when it had seen three
# examples with made-up numbers (order 77, article SP-100). The answers were kept in a file
# by a script that you can run again (`benchmarks/make_tool_calls.py`), so that today's
# grades do not depend on the model's mood.

# %%
requests = load_requests()
test = [it for it in requests if it.part == "test"]
said = load_said()
for it in test[:5]:
    print(f"{it.text}\n   {said[it.id].few}")

# %% [markdown]
# It is flawless JSON, and it is mostly wrong: another tool, an argument that the tool does
# not have, a number that stood in the example. A **validator** stands between the model and
# the tools and finds what can be found without knowing what the customer meant:
#
# 1. **tool**: it must exist;
# 2. **arguments**: none missing, none invented, each of its type (JSON's `true` is no
#    integer, although Python says `isinstance(True, int)`);
# 3. **world**: an order or an article must be in the database. An order 77 exists only in
#    the prompt's example.
#
# ### Exercise: `validate`
#
# - **In:** `call`, as `parse_call` returns it; `schemas`, a list of descriptions like
#   `schema`'s; `exists(argument, value)`, a function that says whether the shop knows this
#   value (of an argument that is no key of the database, it says `True`).
# - **Out:** the list of **all** problems, each a string that names the tool or the argument;
#   `[]` if there is none. An unknown tool is the only problem that can be told of its call.
#
# Ask `exists` only about an argument of the right type. For instance, for a tool
# `price(sku: str)`, the call `{"name": "price", "arguments": {"id": 3}}` has two problems:
# `sku` is missing, and there is no argument `id`.

# %% setup
KINDS = {"integer": int, "number": (int, float)}
KINDS |= {"string": str, "boolean": bool}


def tool_like(name, required, **properties):
    """Return a description like those of your `schema`."""
    inside = {k: {"type": v} for k, v in properties.items()}
    return {
        "name": name,
        "description": "A tool.",
        "inputSchema": {
            "type": "object",
            "properties": inside,
            "required": required,
            "additionalProperties": False,
        },
    }


# %% exercise="validate" points=3 minutes=10 difficulty=2
def validate(call, schemas, exists):
    """Return the list of the call's problems; [] means that it may be run."""
    # 1. tool: find its schema by name
    # 2. arguments: missing, unknown, of the wrong type
    # 3. world: ask exists about what is of the right type
    ### BEGIN SOLUTION
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a, value in given.items():
        kind = known[a]["type"] if a in known else None
        if kind is None:
            wrong.append(f"there is no argument {a}")
        elif isinstance(value, bool) and kind != "boolean":
            wrong.append(f"{a} must be of type {kind}")
        elif not isinstance(value, KINDS[kind]):
            wrong.append(f"{a} must be of type {kind}")
        elif not exists(a, value):
            wrong.append(f"{a}: the shop knows no {value}")
    return wrong
    ### END SOLUTION
    return []  # replace this line


# %% check="validate"
TWO = [
    tool_like("price", ["sku"], sku="string", gross="boolean"),
    tool_like("cancel", ["order_id"], order_id="integer", fee="number"),
]


def problems(name, arguments, known=(1402, "SP-380")):
    """Return the learner's list, and what exists was asked."""
    asked = []

    def exists(argument, value):
        asked.append((argument, value))
        return argument in ("gross", "fee") or value in known

    call = {"name": name, "arguments": dict(arguments)}
    got = validate(call, TWO, exists)
    expect_type(got, (list, tuple), f"validate of {call}")
    for it in got:
        expect_type(it, str, "a problem")
    return [str(it) for it in got], asked


def expect_problems(name, arguments, named, why):
    """Judge one call: each of `named` must occur in a problem of its own."""
    got, asked = problems(name, arguments)
    text = f"validate of {name}({arguments}) is {got}. "
    expect(got or not named, text + why)
    expect(not got or named, text + "This call has no problem.")
    for it in named:
        expect(
            any(it in problem for problem in got),
            text + f"None of the problems names {it}. {why}",
        )
    expect(
        len(got) == len(named),
        text + f"Expected {len(named)}: tell all problems, each once. {why}",
    )
    return asked


with check("a5.validate"):
    fine = "It is as it must be."
    expect_problems("price", {"sku": "SP-380"}, [], fine)
    expect_problems("cancel", {"order_id": 1402, "fee": 2.5}, [], fine)
    unknown = "A tool that does not exist was accepted."
    expect_problems("track_8080", {"order_id": 1402}, ["track_8080"], unknown)
    lacks = "A required argument is missing."
    expect_problems("cancel", {}, ["order_id"], lacks)
    invented = "The tool has no such argument: it was invented."
    both = {"sku": "SP-380", "colour": "red"}
    expect_problems("price", both, ["colour"], invented)
    kind = "The value is of another type than the schema says."
    expect_problems("cancel", {"order_id": "1402"}, ["order_id"], kind)
    world = (
        "order 77 exists only in your example: the model copied it. Ask exists "
        "before the tool is run."
    )
    expect_problems("cancel", {"order_id": 77}, ["order_id"], world)
    every = (
        "Tell all problems at once, so that the model can mend them at once."
    )
    expect_problems("price", {"id": 3}, ["sku", "id"], every)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    truth = (
        "true is no integer in JSON, but isinstance(True, int) is true in "
        "Python: look for bool first."
    )
    expect_problems("cancel", {"order_id": True}, ["order_id"], truth)
    expect_problems("cancel", {"order_id": 1402, "fee": False}, ["fee"], truth)
    whole = "A whole number is a number: 2 is a fee like 2.0."
    expect_problems("cancel", {"order_id": 1402, "fee": 2}, [], whole)
    expect_problems("price", {"sku": "SP-380", "gross": True}, [], fine)
    expect_problems("price", {"sku": "SP-380", "gross": 1}, ["gross"], kind)
    asked = expect_problems("cancel", {"order_id": "x"}, ["order_id"], kind)
    expect(
        not asked,
        "exists was asked about a value of the wrong type. A database "
        "compares strings with numbers in ways that surprise: check first.",
    )
    _, asked = problems("price", {"sku": "SP-380"})
    expect_equal(asked, [("sku", "SP-380")], "what exists was asked")
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(20):
        order = int(rng.integers(1400, 1405))
        named = [] if order == 1402 else ["order_id"]
        expect_problems("cancel", {"order_id": order}, named, world)
    many = {"sku": 5, "gross": "no", "colour": 1}
    expect_problems("price", many, ["sku", "gross", "colour"], every)
    ### END HIDDEN TESTS

# %% [markdown] hint="validate"
# Sketch: look up the schema by its name; without one, return at once. Begin the list with
# the required arguments that are not given. Then go through the given ones: unknown, of the
# wrong type, or unknown to the shop. `elif` keeps it to one problem for each.

# %% [markdown] hint="validate"
# ```python
# inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
# if inside is None:
#     return [...]
# wrong = [... for a in inside["required"] if ...]
# for a, value in call["arguments"].items():
#     if a not in inside["properties"]:
#         wrong.append(...)
#     elif ...:          # bool where no boolean is wanted, or another type
#         wrong.append(...)
#     elif not exists(...):
#         wrong.append(...)
# return wrong
# ```


# %% right="validate"
def validate(call, schemas, exists):
    for it in schemas:
        if it["name"] == call["name"]:
            break
    else:
        return ["unknown tool " + call["name"]]
    known = it["inputSchema"]["properties"]
    required = it["inputSchema"]["required"]
    given = call["arguments"]
    is_kind = {
        "integer": lambda v: type(v) is int,
        "number": lambda v: type(v) in (int, float),
        "string": lambda v: type(v) is str,
        "boolean": lambda v: type(v) is bool,
    }
    bad = ["no argument " + a for a in given if a not in known]
    bad += ["missing: " + a for a in required if a not in given]
    for a in known:
        if a in given:
            if not is_kind[known[a]["type"]](given[a]):
                bad.append("type of " + a)
            elif not exists(a, given[a]):
                bad.append("unknown " + a)
    return bad


# %% wrong="validate" says="A tool that does not exist was accepted"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return []
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a, value in given.items():
        if a not in known:
            wrong.append(f"there is no argument {a}")
        elif not exists(a, value):
            wrong.append(f"{a}: the shop knows no {value}")
    return wrong


# %% wrong="validate" says="order 77 exists only in your example"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a, value in given.items():
        if a not in known:
            wrong.append(f"there is no argument {a}")
        elif not isinstance(value, KINDS[known[a]["type"]]):
            wrong.append(f"{a} must be of type {known[a]['type']}")
    return wrong


# %% wrong="validate" says="true is no integer"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a, value in given.items():
        if a not in known:
            wrong.append(f"there is no argument {a}")
        elif not isinstance(value, KINDS[known[a]["type"]]):
            wrong.append(f"{a} must be of type {known[a]['type']}")
        elif value is not True and not exists(a, value):
            wrong.append(f"{a}: the shop knows no {value}")
    return wrong


# %% wrong="validate" says="no such argument"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a in known:
        if a in given and not isinstance(given[a], KINDS[known[a]["type"]]):
            wrong.append(f"{a} must be of type {known[a]['type']}")
        elif a in given and not exists(a, given[a]):
            wrong.append(f"{a}: the shop knows no {given[a]}")
    return wrong


# %% wrong="validate" says="Tell all problems at once"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    for a in inside["required"]:
        if a not in given:
            return [f"{a} is missing"]
    for a, value in given.items():
        if a not in known:
            return [f"there is no argument {a}"]
        if not isinstance(value, KINDS[known[a]["type"]]):
            return [f"{a} must be of type {known[a]['type']}"]
        if not exists(a, value):
            return [f"{a}: the shop knows no {value}"]
    return []


# %% wrong="validate" says="wrong type"
def validate(call, schemas, exists):
    inside = {it["name"]: it["inputSchema"] for it in schemas}.get(call["name"])
    if inside is None:
        return [f"there is no tool {call['name']}"]
    given, known = call["arguments"], inside["properties"]
    wrong = [f"{a} is missing" for a in inside["required"] if a not in given]
    for a, value in given.items():
        if a not in known:
            wrong.append(f"there is no argument {a}")
        elif not exists(a, value):
            wrong.append(f"{a}: the shop knows no {value}")
        elif isinstance(value, bool) and known[a]["type"] != "boolean":
            wrong.append(f"{a} must be of type {known[a]['type']}")
        elif not isinstance(value, KINDS[known[a]["type"]]):
            wrong.append(f"{a} must be of type {known[a]['type']}")
    return wrong


# %% [markdown]
# ## 4 · Let it choose, instead of write
#
# A model that writes freely can write anything. But you do not have to let it write. It is a
# machine that gives a probability to every next token (lesson A1), so you can put the
# possible answers before it and take the one that it finds likeliest. This is **constrained
# decoding** in its smallest form: what cannot be chosen cannot go wrong.
#
# Let an option consist of the tokens $o_1, \dots, o_n$ behind a prompt $x$. Its
# log-probability is the sum
#
# $$\log p(o \mid x) = \sum_{t=1}^{n} \log p(o_t \mid x,\, o_1 \dots o_{t-1}) .$$
#
# Each term is negative, so **an option loses by being long**: five tokens at $-1$ each lose
# to one at $-4$, although the model is surprised by the one and by none of the five. If the
# options differ in length for reasons that have nothing to do with the request, divide by
# the length and compare the mean:
#
# $$\mathrm{score}(o) = \frac{1}{n} \sum_{t=1}^{n} \log p(o_t \mid x,\, o_{<t}) .$$
#
# This is a rule of thumb, not a theorem: $e^{\mathrm{score}}$ is the geometric mean of the
# token probabilities, and no longer the probability of anything. (And it overdoes it with a
# long word that is spelled out: once the first half of `handbook` is written, the second
# half costs nothing, and pulls the mean up.)
#
# **A worked example.** `return` has the log-probabilities $-2.0$; `order status` has $-1.4,
# -1.2$. The sums are $-2.0$ and $-2.6$, the means $-2.0$ and $-1.3$. The sum takes the
# short one, the mean the long one.
#
# ### Exercise: `choose`
#
# - **In:** `score(option)`, a function that returns the list of an option's token
#   log-probabilities (a forward pass of the model each time: ask once per option);
#   `options`, a list of strings.
# - **Out:** the option with the largest mean; the first of several equal ones.
# - **Refuse** with a `ValueError` if there are no options.


# %% exercise="choose" points=2 minutes=7 difficulty=2
def choose(score, options):
    """Return the option whose tokens are the likeliest on average."""
    # 1. refuse: nothing to choose from
    # 2. score: each option once, normalised by its length
    # 3. take: the best, the first of equals
    ### BEGIN SOLUTION
    if not options:
        raise ValueError("there are no options to choose from")
    means = [float(np.mean(score(option))) for option in options]
    return options[int(np.argmax(means))]
    ### END SOLUTION
    return options[0]  # replace this line


# %% check="choose"
def expect_choice(table, why):
    """Judge one table of option -> log-probabilities."""
    options, asked = list(table), []

    def score(option):
        asked.append(option)
        return list(table[option])

    got = choose(score, options)
    if isinstance(got, (int, np.integer)) and not isinstance(got, bool):
        fail(f"choose returned {got}: return the option itself, not its place.")
    expect_type(got, str, "choose(score, options)")
    expect(
        len(asked) == len(options),
        f"score was called {len(asked)} times for {len(options)} options. "
        "Each call is a forward pass of the model: once per option.",
    )
    best, high = None, None
    for option in options:  # the slow definition
        total = 0.0
        for value in table[option]:
            total += value
        mean = total / len(table[option])
        if high is None or mean > high:
            best, high = option, mean
    if got == best:
        return
    sums = {o: sum(v) for o, v in table.items()}
    chances = {o: np.mean(np.exp(v)) for o, v in table.items()}
    letters = {o: sum(v) / len(o) for o, v in table.items()}
    lows = {o: sum(v) / len(v) for o, v in table.items()}
    text = f"of {table} you chose {got!r}. "
    if got == min(lows, key=lows.get):
        fail(
            text + "That is the least likely one: log-probabilities are "
            "negative, and the largest is the one nearest to 0."
        )
    if got == max(sums, key=sums.get):
        fail(
            text + "That is the largest sum: a length bias. Every further "
            "token makes a sum smaller. Divide by the number of tokens."
        )
    if got == max(chances, key=chances.get):
        fail(
            text + "That is the largest mean of the probabilities: one easy "
            "token outweighs an impossible one. Average the logarithms."
        )
    if got == max(letters, key=letters.get):
        fail(
            text + "That is the best per letter. The model reads tokens: "
            "divide by the number of log-probabilities."
        )
    fail(text + f"{why} It must be {best!r}.")


with check("a5.choose"):
    first = {"return": [-2.0], "order status": [-1.4, -1.2], "cancel": [-9.0]}
    expect_choice(first, "The mean of the second is -1.3.")
    expect_choice({"a": [-1.0], "b": [-0.5], "c": [-3.0]}, "One token each.")
    tie = "Of equal means the first is taken."
    expect_choice({"b": [-1.0], "a": [-0.5, -1.5], "c": [-1.0]}, tie)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    try:
        choose(lambda option: [0.0], [])
    except ValueError:
        pass
    else:
        fail("no options: raise a ValueError. There is nothing to return.")
    uneven = {"no": [-0.01, -6.0], "yes": [-2.0, -2.0], "?": [-4.0]}
    expect_choice(uneven, "The mean of the logarithms counts.")
    letters = {"of": [-1.9], "description": [-2.1, -2.1], "an": [-2.3]}
    expect_choice(letters, "Tokens count, not letters.")
    for _ in range(40):
        names = ["a", "bbbbbbbb", "cc", "dddd"][: int(rng.integers(1, 5))]
        table = {
            n: [-float(x) for x in rng.exponential(2, int(rng.integers(1, 6)))]
            for n in names
        }
        expect_choice(table, "The largest mean counts.")
    ### END HIDDEN TESTS

# %% [markdown] hint="choose"
# Sketch: make a list of means, one per option, by calling `score` once for each. Then
# `options[...]` at the place of the largest. `max` and `np.argmax` take the first of equals.

# %% [markdown] hint="choose"
# ```python
# if not options:
#     raise ...
# means = [... for option in options]     # score(option) is a list of numbers
# return options[...]                     # where the mean is largest
# ```


# %% right="choose"
def choose(score, options):
    if len(options) == 0:
        raise ValueError

    def mean(option):
        values = score(option)
        return sum(values) / len(values)

    return max(options, key=mean)


# %% right="choose"
def choose(score, options):
    best, high = None, -np.inf
    for option in options:
        values = np.asarray(score(option))
        if values.mean() > high:
            best, high = option, values.mean()
    if best is None:
        raise ValueError("no options")
    return best


# %% wrong="choose" says="a length bias"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    return max(options, key=lambda option: sum(score(option)))


# %% wrong="choose" says="return the option itself"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    return int(np.argmax([np.mean(score(option)) for option in options]))


# %% wrong="choose" says="least likely"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    return min(options, key=lambda option: np.mean(score(option)))


# %% wrong="choose" says="mean of the probabilities"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    return max(options, key=lambda option: np.mean(np.exp(score(option))))


# %% wrong="choose" says="best per letter"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    return max(options, key=lambda o: sum(score(o)) / len(o))


# %% wrong="choose" says="once per option"
def choose(score, options):
    if not options:
        raise ValueError("no options")
    best = options[0]
    for option in options:
        if np.mean(score(option)) > np.mean(score(best)):
            best = option
    return best


# %% wrong="choose" says="raise a ValueError"
def choose(score, options):
    best, high = None, -np.inf
    for option in options:
        mean = np.mean(score(option))
        if mean > high:
            best, high = option, mean
    return best


# %% [markdown]
# ## 5 · Forty requests, four ways to get a call
#
# Now the whole of it. For each of the 40 requests there is one right call (for four of them,
# which name an order or an article that does not exist, the right call is none). Four ways
# to get it, all from the same model:
#
# - **zero-shot**: tools and instruction, no example. The text goes through your
#   `parse_call`.
# - **few-shot**: three examples before the request. The same.
# - **constrained**: the few-shot prompt and `{"name": "`, and then your `choose` among the
#   five names; the arguments are written under a mask that allows digits, or the twelve
#   article numbers, only.
# - **router + validator**: no JSON at all. Behind *A customer of a lamp shop wrote: "…" The
#   customer wants to*, your `choose` takes the likeliest of five endings. Each ending is
#   compared with its own mean over the 16 requests of the dev part, since some endings are
#   likely behind anything (lesson A2 calls this calibration). The arguments are not
#   written at all: ordinary code finds candidates **in the request**, and the first one that
#   your `validate` accepts is taken. A tool whose arguments are not in the request cannot be
#   meant, and is no option.

# %%
WANTS = list(said["r01"].wants)
dev = [said[it.id] for it in requests if it.part == "dev"]
usual = {
    tool: np.mean([np.mean(it.wants[tool]) for it in dev]) for tool in WANTS
}
LINKS = {name.casefold(): sku for sku, name, _, _ in PRODUCTS}


def exists(argument, value):
    """Whether the shop's database knows this order or this article."""
    where = {"order_id": ("orders", "id"), "sku": ("products", "sku")}
    if argument not in where:
        return True
    table, column = where[argument]
    with contextlib.closing(open_shop(shop, read_only=True)) as con:
        query = f"SELECT 1 FROM {table} WHERE {column} = ?"
        return con.execute(query, (value,)).fetchone() is not None


def candidates(argument, text):
    """Return the values of an argument that a request may mean."""
    if argument == "question":
        return [text]
    if argument == "order_id":
        return [int(it) for it in re.findall(r"(?<![-\d])\d{3,6}\b", text)]
    named = [sku for name, sku in LINKS.items() if name in text.casefold()]
    return re.findall(r"\b(?:LMP-\d{4}|SP-\d{3})\b", text) + named


def proposals(tool, text):
    """Return the tool's calls that the request has arguments for."""
    inside = next(it for it in schemas if it["name"] == tool)["inputSchema"]
    calls = [{}]
    for argument in inside.get("properties", {}):
        calls = [
            {**call, argument: value}
            for call in calls
            for value in candidates(argument, text)
        ]
    return [{"name": tool, "arguments": arguments} for arguments in calls]


def fill(tool, text):
    """Return the tool's first call that your validator accepts, or None."""
    for call in proposals(tool, text):
        if not validate(call, schemas, exists):
            return call
    return None


def route(wants, text):
    """Return the tool whose ending is likelier than usual."""
    possible = [tool for tool in WANTS if proposals(tool, text)]
    return choose(lambda tool: [x - usual[tool] for x in wants[tool]], possible)


def constrained(it):
    """Return the call that the model writes under the mask."""
    tool = choose(lambda name: it.name[name], WANTS)
    return {"name": tool, "arguments": it.arguments.get(tool, {})}


ways = {
    "zero-shot": [parse_call(said[it.id].zero) for it in test],
    "few-shot": [parse_call(said[it.id].few) for it in test],
    "constrained": [constrained(said[it.id]) for it in test],
    "router +\nvalidator": [
        fill(route(said[it.id].wants, it.text), it.text) for it in test
    ],
}
print(ways["router +\nvalidator"][:3])

# %% [markdown]
# ### Predict
#
# **Of the 40 few-shot answers, how many are the right call?** Nearly all of them are JSON.
# Commit yourself before you look: set `guess` to one of the three strings and
# `confidence` to a number from 0 (no idea) to 1 (certain).

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
# guess: "0 to 10", "11 to 25" or "26 to 40"
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "0 to 10", 0.6
### END SOLUTION

# %% check="guess"
with check("a5.guess"):
    expect_prediction(
        "a5.guess", guess, confidence, ["0 to 10", "11 to 25", "26 to 40"]
    )

# %% right="guess"
guess, confidence = "26 to 40", 1

# %% wrong="guess" says="must be one of"
guess, confidence = 12, 0.5

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "0 to 10", 60


# %%
def kind_of(call, request):
    """Return what is wrong with a call, or "right"."""
    if call is None:
        return "right" if not request.exists else "no call"
    if set(call) == {"error"}:
        return "no call"
    if validate(call, schemas, lambda argument, value: True):
        return "not valid"
    if call["name"] != request.tool:
        return "wrong tool"
    given = call["arguments"]
    same = all(given.get(k) == v for k, v in request.arguments.items())
    return "right" if same and request.exists else "wrong argument"


STACK = ("right", "wrong argument", "wrong tool", "not valid", "no call")
counts = {
    way: [
        sum(kind_of(c, r) == kind for c, r in zip(calls, test, strict=True))
        for kind in STACK
    ]
    for way, calls in ways.items()
}
n_few, n_router = counts["few-shot"][0], counts["router +\nvalidator"][0]
truth = "0 to 10" if n_few <= 10 else "11 to 25" if n_few <= 25 else "26 to 40"
outcome("a5.guess", truth)

# %% [markdown]
# The figure, from your `parse_call`, `validate` and `choose`:

# %%
from course.plots import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, figure, show

fig, ax = figure(width=7.5, height=3.8)
left = np.zeros(len(counts))
colors = (GREEN, SKY, ORANGE, PURPLE, RED)
for j, (kind, color) in enumerate(zip(STACK, colors, strict=True)):
    heights = np.array([row[j] for row in counts.values()])
    ax.bar(list(counts), heights, bottom=left, color=color, label=kind)
    for x, (height, low) in enumerate(zip(heights, left, strict=True)):
        if height:
            ax.text(x, low + height / 2, height, ha="center", va="center")
    left += heights
ax.set(ylabel="requests (of 40)", xlabel="how the call was made", ylim=(0, 41))
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
ax.set_axisbelow(True)
show(
    fig,
    "; ".join(
        way.replace("\n", " ")
        + ": "
        + ", ".join(f"{n} {k}" for k, n in zip(STACK, row, strict=True) if n)
        for way, row in counts.items()
    )
    + ".",
)

# %% [markdown]
# **Valid is not right.** All 40 few-shot answers are JSON objects, 28 of them fit the schema,
# and 3 are the right call: the model wrote `product_info` forty times, whatever was asked.
# The mask makes all 40 valid, and no more of them right. It forbids nonsense; it does not
# make the model know what the customer wants. Seen from outside, a run of well-formed wrong
# calls looks exactly like success, until somebody opens the trace.
#
# The same weights, asked in the words that they were trained on, get 33. The question was
# the mistake, not the model. Step by step:


# %%
def tools_right(pick):
    """Return how many of the 40 tools a rule picks rightly."""
    return sum(pick(said[it.id].wants, it.text) == it.tool for it in test)


def by_sum(wants, text):
    """The likeliest ending as it is: longer ones lose."""
    return choose(lambda tool: [sum(wants[tool])], WANTS)


def by_mean(wants, text):
    """Your choose, without a comparison with the usual."""
    return choose(lambda tool: wants[tool], WANTS)


def by_surprise(wants, text):
    """Compared with the usual, among all five tools."""
    return choose(lambda tool: [x - usual[tool] for x in wants[tool]], WANTS)


for name, rule in (
    ("largest sum", by_sum),
    ("largest mean", by_mean),
    ("mean, compared with the usual", by_surprise),
    ("the same, among tools with arguments", route),
):
    print(f"{name:38}{tools_right(rule):3} of 40 tools")
share = n_router / 40
margin = 1.96 * np.sqrt(share * (1 - share) / 40)
print(
    f"right calls: {share:.2f}, 95 % {share - margin:.2f}–{share + margin:.2f}"
)
for call, it in zip(ways["router +\nvalidator"], test, strict=True):
    if kind_of(call, it) != "right":
        print(f"{call['name']:16}for: {it.text}")

# %% [markdown]
# Two confessions. The last step came after a first look at the 40 requests: until then, the
# router chose among all five tools, `candidates` took the 1404 of `LMP-1404` for an order,
# and 26 of 40 calls were right. The number 33 is therefore a little flattering, as a number
# is when its test set was looked at (lesson A2). And both sides of the set were written by
# one person.
#
# Now look at the list of the seven wrong ones. Three of them would **cancel an order** that
# nobody wanted cancelled, with a valid number, in flawless form. No validator can find that.
# Only the customer can, if somebody asks.
#
# ## 6 · An agent that cannot run away
#
# An **agent** is a loop. The model writes; if it wrote a call, the tool is run, the result
# goes back to it as a message of the role `tool`, and it writes again; if it wrote anything
# else, that is the answer for the customer. Four things go wrong in such loops:
#
# - it never **ends**: two calls that answer each other, at a price per token;
# - it **writes** without asking: the order is cancelled before anyone has said yes;
# - it hides **errors**: the tool failed, nobody told the model, and the model tells the
#   customer that all is well;
# - it dies of them: one exception of one tool, and the customer sees nothing.
#
# ### Exercise: `run_agent`
#
# - **In:** `lm(messages)`, which returns the model's text for a list of messages
#   `{"role": ..., "content": ...}`; `parse`, your `parse_call` or one like it; `tools`, a
#   dictionary from names to `{"run": function, "writes": True or False}`; `question`, the
#   customer's words; `confirm(call)`, which asks a person and returns `True` or `False`;
#   `max_steps`, how often `lm` may be called.
# - **Out:** a dictionary with `"answer"` (the text, or `None` if the steps ran out before
#   there was one) and `"steps"`, a list of `{"call": ..., "result": ...}`.
#
# The conversation begins with the question, as a message of the role `user`. Each round:
#
# 1. **ask** `lm`, and append its text as a message of the role `assistant`;
# 2. **answer**: a text without any `{` is the answer;
# 3. **act**: otherwise parse it and make the `result`, a dictionary:
#    the parser's `{"error": ...}` as it is; `{"error": ...}` for a tool that does not exist;
#    `{"error": ...}` if the tool writes and `confirm(call)` is not true; otherwise
#    `{"result": tools[name]["run"](**arguments)}`, and if that raises, `{"error": ...}` with
#    the exception's text;
# 4. **tell**: append the result as a message of the role `tool`, as JSON text.
#
# Ask `confirm` for writes only, and once for each of them.


# %% exercise="run_agent" points=3 minutes=12 difficulty=3
def run_agent(lm, parse, tools, question, confirm, max_steps):
    """Return the answer and the steps of the agent's work on a question."""
    messages = [{"role": "user", "content": question}]
    steps = []
    # at most max_steps times:
    # 1. ask   2. answer: no { in the text   3. act   4. tell
    ### BEGIN SOLUTION
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": f"there is no tool {call['name']}"}
        elif tools[call["name"]]["writes"] and not confirm(call):
            result = {"error": "the customer did not confirm this"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}
    ### END SOLUTION
    return {"answer": "I am sure that all is well.", "steps": steps}  # replace


# %% check="run_agent"
class TooLong(Exception):
    """The scripted model was asked far too often."""


def written(name, **arguments):
    return json.dumps({"name": name, "arguments": arguments})


def read(text):
    """A parser for the check, so that your own is not judged here."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {"error": "not JSON: write one object"}


class Shop:
    """A scripted model, tools that note their calls, and a person."""

    def __init__(self, script, yes=True):
        self.script, self.yes = list(script), yes
        self.seen, self.ran, self.asked = [], [], []

    def lm(self, messages):
        self.seen.append([dict(m) for m in messages])
        if len(self.seen) > 30:
            raise TooLong("asked 30 times")
        return self.script[min(len(self.seen), len(self.script)) - 1]

    def confirm(self, call):
        self.asked.append(dict(call))
        return self.yes if isinstance(self.yes, bool) else self.yes.pop(0)

    def status(self, order_id):
        self.ran.append(("order_status", order_id))
        if order_id == 77:
            raise ValueError("there is no order 77")
        return {"status": "on its way", "order_id": order_id}

    def cancel(self, order_id):
        self.ran.append(("cancel_order", order_id))
        return {"status": "cancelled"}


def worked(script, yes=True, max_steps=5):
    """Run the learner's agent; return its trace and what happened."""
    it = Shop(script, yes)
    kit = {
        "order_status": {"run": it.status, "writes": False},
        "cancel_order": {"run": it.cancel, "writes": True},
    }
    lines = (it.lm, read, kit, "Where is 1402?", it.confirm, max_steps)
    try:
        got = call_within(10, run_agent, *lines)
    except Exception as raised:
        if len(it.seen) > max_steps:
            got = None
        elif "no order 77" in str(raised):
            fail(
                "a tool raised an exception, and so did your agent: the "
                'customer sees nothing. Catch it, and tell the model {"error": '
                "...}."
            )
        elif "nothing_like_it" in str(raised):
            fail(
                "the model named a tool that does not exist, and your agent "
                "stopped with a KeyError. Tell the model that there is none."
            )
        else:
            raise
    if len(it.seen) > max_steps:
        fail(
            f"max_steps is {max_steps}, and the model was asked "
            f"{len(it.seen)} times or more: nothing stops this agent. Each "
            "round costs money; count them."
        )
    expect_type(got, dict, "run_agent(...)")
    for key in ("answer", "steps"):
        expect(key in got, f"run_agent(...) has no key {key!r}.")
    return got, it


def told(it, word, why):
    """The model's last reading must hold what the tool said."""
    last = it.seen[-1][-1]
    expect(word in str(last.get("content")), why)


with check("a5.run_agent"):
    got, it = worked([written("order_status", order_id=1402), "On its way."])
    expect(it.seen, "the model was never asked: call lm with the messages.")
    expect(
        it.seen[0] == [{"role": "user", "content": "Where is 1402?"}],
        f"the model is first shown {it.seen[0]}: that must be the question.",
    )
    expect(len(it.seen) > 1, "after the tool the model must be asked again.")
    expect_equal(it.ran, [("order_status", 1402)], "the tools that ran")
    lost = (
        "the tool's result did not reach the model: append it as a message of "
        "the role tool, and ask again."
    )
    told(it, "on its way", lost)
    roles = [m["role"] for m in it.seen[-1]]
    expect_equal(roles, ["user", "assistant", "tool"], "the roles")
    expect_equal(got["answer"], "On its way.", '"answer"')
    expect(
        not it.asked,
        "confirm was asked for a tool that only reads. People who are asked "
        "at every step say yes to everything.",
    )
    expect(len(got["steps"]) == 1, f'"steps" is {got["steps"]}: one call.')
    step = got["steps"][0]
    status = {"status": "on its way", "order_id": 1402}
    expect_equal(step.get("result"), {"result": status}, "the step's result")

    got, it = worked(
        [written("cancel_order", order_id=1594), "Done."], yes=False
    )
    expect(
        not it.ran,
        "the order was cancelled although confirm returned False: a write "
        "without confirmation. Ask before the tool is run.",
    )
    expect(it.asked, "cancel_order writes: confirm must be asked for it.")
    refused = (
        "the customer said no, and the model was not told: it will say that "
        'the order is cancelled. Tell it {"error": ...}.'
    )
    expect(len(it.seen) > 1, refused)
    told(it, "error", refused)
    got, it = worked([written("order_status", order_id=1402)], max_steps=4)
    expect(
        len(it.seen) == 4 and got["answer"] is None,
        f"max_steps is 4: the model was asked {len(it.seen)} times, and the "
        f'"answer" is {got["answer"]!r}. After 4 rounds without an answer it '
        "must be None.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    script = [written("order_status", order_id=77), "There is no order 77."]
    got, it = worked(script)
    hidden = (
        "the tool failed, and the model was not told why: a swallowed error. "
        "It will invent a result. The exception's text belongs into the "
        "message."
    )
    expect(len(it.seen) > 1, hidden)
    told(it, "there is no order 77", hidden)
    expect(
        "error" in got["steps"][0]["result"],
        f"the step's result is {got['steps'][0]['result']}: it must be an "
        "error.",
    )
    got, it = worked([written("nothing_like_it", a=1), "Sorry."])
    told(it, "error", "the model named a tool that does not exist: tell it so.")
    expect_equal(got["answer"], "Sorry.", '"answer"')
    got, it = worked(["{oops", "Sorry."])
    broken = (
        "a text with a { that is no call is not the answer: the customer "
        "would read broken JSON. Tell the model the parser's error."
    )
    expect(got["answer"] == "Sorry.", broken)
    told(it, "not JSON", broken)
    two = [written("cancel_order", order_id=n) for n in (1594, 1586)]
    got, it = worked([*two, "Done."], yes=[True, False])
    expect(
        it.ran == [("cancel_order", 1594)],
        f"the person said yes to 1594 and no to 1586, and {it.ran} was run: "
        "one yes is for one call. Ask for each write.",
    )
    expect(
        [c["arguments"]["order_id"] for c in it.asked] == [1594, 1586],
        "confirm must be given the call itself, once for each write.",
    )
    got, it = worked(["Hello!"])
    expect_equal(got, {"answer": "Hello!", "steps": []}, "a plain answer")
    got, it = worked([written("order_status", order_id=1402)], max_steps=1)
    expect_equal(len(got["steps"]), 1, "the steps of max_steps=1")
    ### END HIDDEN TESTS

# %% [markdown] hint="run_agent"
# Sketch: a `for` loop of `max_steps` rounds, with a `return` inside for the answer and one
# behind it for the steps that ran out. In the middle one chain of `if`, `elif`, `else` makes
# `result`: parser's error, unknown tool, not confirmed, and the tool itself in a `try`.

# %% [markdown] hint="run_agent"
# ```python
# for _ in range(max_steps):
#     text = lm(messages)
#     messages.append({"role": "assistant", "content": ...})
#     if "{" not in text:
#         return {...}
#     call = parse(text)
#     if "error" in call:
#         result = ...
#     elif ...:                      # no such tool
#         result = {"error": ...}
#     elif ...:                      # it writes, and nobody said yes
#         result = {"error": ...}
#     else:
#         try:
#             result = {"result": tools[call["name"]]["run"](**...)}
#         except Exception as error:
#             result = {"error": ...}
#     steps.append(...)
#     messages.append({"role": "tool", "content": json.dumps(...)})
# return {"answer": None, "steps": steps}
# ```


# %% right="run_agent"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [dict(role="user", content=question)], []

    def act(call):
        if "error" in call:
            return call
        tool = tools.get(call["name"])
        if tool is None:
            return {"error": "unknown tool " + call["name"]}
        if tool["writes"] and confirm(call) is not True:
            return {"error": "not confirmed"}
        try:
            return {"result": tool["run"](**call["arguments"])}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    while len(steps) < max_steps:
        text = lm(list(messages))
        if text.count("{") == 0:
            return dict(answer=text, steps=steps)
        call = parse(text)
        steps.append(dict(call=call, result=act(call)))
        messages += [
            dict(role="assistant", content=text),
            dict(role="tool", content=json.dumps(steps[-1]["result"])),
        ]
    return dict(answer=None, steps=steps)


# %% wrong="run_agent" says="nothing stops this agent"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    while True:
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": f"there is no tool {call['name']}"}
        elif tools[call["name"]]["writes"] and not confirm(call):
            result = {"error": "the customer did not confirm this"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})


# %% wrong="run_agent" says="without confirmation"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call or call["name"] not in tools:
            result = {"error": "no such call"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="without confirmation"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    # asks afterwards
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call or call["name"] not in tools:
            result = {"error": "no such call"}
        else:
            tool = tools[call["name"]]
            try:
                result = {"result": tool["run"](**call["arguments"])}
                if tool["writes"] and not confirm(call):
                    result = {"error": "not confirmed"}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="swallowed error"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": "there is no such tool"}
        elif tools[call["name"]]["writes"] and not confirm(call):
            result = {"error": "not confirmed"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception:
                result = {"result": None}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="the customer sees nothing"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": "there is no such tool"}
        elif tools[call["name"]]["writes"] and not confirm(call):
            result = {"error": "not confirmed"}
        else:
            run = tools[call["name"]]["run"]
            result = {"result": run(**call["arguments"])}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="only reads"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools or not confirm(call):
            result = {"error": "not confirmed"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="one yes is for one call"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    said_yes = None
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" not in call and call["name"] in tools:
            if tools[call["name"]]["writes"] and said_yes is None:
                said_yes = confirm(call)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": "there is no such tool"}
        elif tools[call["name"]]["writes"] and not said_yes:
            result = {"error": "not confirmed"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
        messages.append({"role": "tool", "content": json.dumps(result)})
    return {"answer": None, "steps": steps}


# %% wrong="run_agent" says="did not reach the model"
def run_agent(lm, parse, tools, question, confirm, max_steps):
    messages, steps = [{"role": "user", "content": question}], []
    for _ in range(max_steps):
        text = lm(messages)
        messages.append({"role": "assistant", "content": text})
        if "{" not in text:
            return {"answer": text, "steps": steps}
        call = parse(text)
        if "error" in call:
            result = call
        elif call["name"] not in tools:
            result = {"error": "there is no such tool"}
        elif tools[call["name"]]["writes"] and not confirm(call):
            result = {"error": "not confirmed"}
        else:
            try:
                run = tools[call["name"]]["run"]
                result = {"result": run(**call["arguments"])}
            except Exception as error:
                result = {"error": str(error)}
        steps.append({"call": call, "result": result})
    return {"answer": None, "steps": steps}


# %% [markdown]
# Your agent, live. The small model cannot write a call that one may trust, as you have just
# seen, so it does what it can do: **choose** the tool, and put the result into words. What
# the agent hears is JSON all the same; with a larger model you would hand over the whole
# loop, and not change a line of `run_agent`.

# %% demo
from course.llm import load_local, user

chat = load_local()
ROUTE = 'A customer of a lamp shop wrote: "{text}" The customer wants to'
ENDINGS = {
    "order_status": " know where an order is",
    "cancel_order": " cancel an order",
    "open_return": " return an article",
    "product_info": " know the price of an article",
    "search_handbook": " know something about the shop",
}


def log_probs(prompt, ending):
    """Return the log-probability of each token of the ending."""
    ids, new = chat.encode(prompt), chat.encode(ending)
    logits = [chat.step(ids + new[:i]) for i in range(len(new))]
    shifted = [row - row.max() for row in logits]
    return [
        float(row[t] - np.log(np.exp(row).sum()))
        for row, t in zip(shifted, new, strict=True)
    ]


def assistant(messages):
    """Choose a tool first; then say its result in words."""
    question, last = messages[0]["content"], messages[-1]
    if last["role"] == "user":
        prompt = ROUTE.format(text=question)
        tool = choose(
            lambda t: [x - usual[t] for x in log_probs(prompt, ENDINGS[t])],
            [t for t in WANTS if proposals(t, question)],
        )
        call = fill(tool, question)
        return json.dumps(call) if call else "I cannot find that in the shop."
    fact = last["content"]
    prompt = f"Facts: {fact}\nSay this to the customer in one short sentence."
    return chat.chat([user(prompt)], max_tokens=40, stop=["\n"]).text.replace(
        "{", "("
    )


kit = {n: {"run": t, "writes": n in WRITES} for n, t in tools.items()}
for text in ("Where is order 1402?", "Cancel order 1590, please."):
    trace = run_agent(assistant, parse_call, kit, text, lambda call: False, 3)
    print(text)
    for step in trace["steps"]:
        print("   call:  ", step["call"])
        print("   result:", json.dumps(step["result"])[:160])
    print("   answer:", trace["answer"], "\n")

# %% [markdown]
# Read the answers against the results. The calls are right, and nothing was cancelled,
# since nobody said yes. What the model makes of the facts is another matter; lesson A7 is
# about finding that out before the customer does.
#
# ## 7 · SQL that cannot hurt
#
# *How many orders go to Norway?* There is no tool for that, and there will never be one for
# every question. So one lets the model write SQL, or at least choose it. Two rules make this
# safe, and neither of them is a list of forbidden words:
#
# - **values never stand in the text of a query**. They come separately, and the database puts
#   them in the places of the `?`. A customer whose name is `x'; DROP TABLE orders; --` is then
#   a customer with a strange name.
# - **the connection cannot write**. SQLite opens a file read-only when the address ends in
#   `?mode=ro`; other databases have users with rights.
#
# ### Exercise: `sql_tool`
#
# - **In:** `path` of a database; `query`, one `SELECT` with `?` for each value; `args`, the
#   list of values; `limit`, the most rows to return.
# - **Out:** `{"columns": [names], "rows": [lists], "more": True or False}`; `more` says that
#   there were more rows than `limit`, since a model that gets 20 rows without a word believes
#   that there are 20.
# - **Refuse** with a `ValueError`, whose text is an explanation: a query that does not begin
#   with `SELECT` (in capitals or not, spaces in front or not); one with a quoted text in it,
#   that is, with a `'`; one that the database does not accept; a file that is not there.
#
# `sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)` opens a file
# read-only. `con.execute(query, args)` puts the values in, and refuses two statements at
# once; `sqlite3.Error` is the ancestor of its exceptions. `fetchmany(n)` returns at most `n`
# rows, and `cursor.description` holds one tuple for each column, whose first item is its
# name. Close the connection in any case.


# %% exercise="sql_tool" points=2 minutes=9 difficulty=2
def sql_tool(path, query, args, limit=20):
    """Return the columns and rows of one SELECT with its values apart."""
    # 1. refuse: what is no SELECT, and values in the text
    # 2. open: read-only
    # 3. ask: values apart, at most limit rows, and whether there are more
    ### BEGIN SOLUTION
    if not query.lstrip().upper().startswith("SELECT"):
        raise ValueError("only a SELECT is allowed")
    if "'" in query:
        raise ValueError("no quoted text in the query: put ? and give args")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchmany(limit + 1)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}") from error
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}
    ### END SOLUTION
    return {"columns": [], "rows": [], "more": False}  # replace this line


# %% [markdown]
# The check does its worst to a fresh database, and looks at what is left of it:


# %%
def attempt(query, args, limit=20, name="Nora Holm", path=None):
    """Return what your sql_tool gave, the error's kind, and what is left."""
    fresh = make_shop(Path(tempfile.mkdtemp()) / "shop.db", n_orders=60)
    with contextlib.closing(sqlite3.connect(fresh)) as con, con:
        con.execute("UPDATE customers SET name = ? WHERE id = 1", (name,))
    target = str(fresh if path is None else fresh.parent / path)
    got, error, told = None, "", ""
    try:
        got = sql_tool(target, query, list(args), limit)
    except Exception as problem:
        error, told = type(problem).__name__, str(problem)
    left = {"is_there": Path(target).exists()}
    with contextlib.closing(sqlite3.connect(fresh)) as con:
        for table in ("orders", "tickets", "customers"):
            find = "SELECT COUNT(*) FROM sqlite_master WHERE name = ?"
            if con.execute(find, (table,)).fetchone()[0]:
                count = con.execute(f"SELECT COUNT(*) FROM {table}")
                left[table] = count.fetchone()[0]
    return {"got": got, "error": error, "told": told, "left": left}


# %% check="sql_tool"
def expect_refusal(query, args, why, **more):
    """A ValueError with an explanation."""
    seen = attempt(query, args, **more)
    name = f"sql_tool(path, {query!r}, {args})"
    expect(seen["error"], f"{name} returned {seen['got']}. {why}")
    expect(
        seen["error"] == "ValueError",
        f"{name} raises {seen['error']}. {why} Raise a ValueError with an "
        "explanation: the model reads it and tries again.",
    )
    expect(
        len(seen["told"]) > 5, f"{name}: the ValueError must explain itself."
    )
    return seen


def expect_rows(query, args, columns, rows, more, what, **options):
    """Judge a query that is allowed."""
    seen = attempt(query, args, **options)
    expect(
        not seen["error"],
        f"{what}: sql_tool raises {seen['error']}: {seen['told']}.",
    )
    got = seen["got"]
    expect_type(got, dict, what)
    for key in ("columns", "rows", "more"):
        expect(key in got, f"{what}: the key {key!r} is missing.")
    expect_equal(list(got["columns"]), columns, f'"columns" of {what}')
    expect_equal([list(r) for r in got["rows"]], rows, f'"rows" of {what}')
    expect(got["more"] is more, f'"more" of {what} must be {more}.')


with check("a5.sql_tool"):
    evil = "x'; DROP TABLE orders; --"
    by_name = "SELECT id FROM customers WHERE name = ?"
    left = attempt(by_name, [evil])["left"]
    expect(
        "orders" in left,
        f"a customer's name was {evil!r}, and '; DROP' ran: the table of "
        "orders is gone. Values never go into the text of a query: give them "
        "to execute apart.",
    )
    odd = "Nora O'Neill"
    seen = attempt(by_name, [odd], name=odd)
    expect(
        not seen["error"] and seen["got"],
        f"a customer is called {odd}, and sql_tool raises {seen['error']} "
        f"({seen['told']}). Did the name go into the text of the query? Give "
        "it to execute apart.",
    )
    expect_rows(
        by_name, [odd], ["id"], [[1]], False, f"the query for {odd}", name=odd
    )
    expect_rows(by_name, [evil], ["id"], [], False, f"the query for {evil}")
    dear = "SELECT sku, price_cents FROM products WHERE price_cents > ?"
    dear += " ORDER BY sku"
    want = sorted(
        [sku, cents] for sku, _, cents, _ in PRODUCTS if cents > 20000
    )
    columns = ["sku", "price_cents"]
    expect_rows(dear, [20000], columns, want, False, "the query for dear lamps")
    write = "It would have changed the shop: only a SELECT is allowed."
    expect_refusal("DELETE FROM tickets", [], write)
    apart = (
        "A value stands in the text of the query, in quotes. Today it is the "
        "model's, tomorrow a stranger's: put a ? there."
    )
    expect_refusal("SELECT id FROM customers WHERE country = 'NO'", [], apart)
    got = attempt("SELECT id FROM orders ORDER BY id", [], 5)["got"]
    expect(
        len(got["rows"]) == 5,
        f"limit is 5 and there are {len(got['rows'])} rows. A model pays for "
        "every row: fetch no more than limit.",
    )
    expect(
        got["more"] is True,
        'there are 60 orders and limit is 5: "more" must be True, or the model '
        "believes that there are 5.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    harmless = (
        "SELECT sku AS dropped, sku AS deleted FROM products WHERE sku = ?"
    )
    seen = attempt(harmless, ["SP-380"])
    expect(
        not seen["error"],
        f"{harmless!r} was refused. A list of forbidden words stops honest "
        "queries and no clever ones: look at the first word only.",
    )
    expect_refusal("WITH x AS (SELECT 1) DELETE FROM tickets", [], write)
    expect_refusal("PRAGMA user_version = 3", [], write)
    seen = expect_refusal(
        "SELECT 1; DELETE FROM tickets", [], "Two statements."
    )
    before = attempt("SELECT 1", [])["left"]["tickets"]
    expect_equal(seen["left"]["tickets"], before, "the number of tickets")
    expect_refusal(
        "SELECT colour FROM products", [], "There is no such column."
    )
    expect_refusal(dear, [], "A value is missing for the ?.")
    seen = attempt("SELECT 1", [], path="not.db")
    expect(
        not seen["left"]["is_there"],
        "a database that is not there was made: sqlite3.connect makes a new "
        "file for every typing error, unless it is opened read-only.",
    )
    expect_refusal("SELECT 1", [], "There is no such file.", path="not.db")
    for n in (59, 60, 61, int(rng.integers(1, 50))):
        got = attempt("SELECT id FROM orders", [], n)["got"]
        expect(got["more"] is (n < 60), f'"more" of 60 rows with limit {n}')
        expect_equal(len(got["rows"]), min(n, 60), f"rows with limit {n}")
    count = "  select count(*) from orders"
    expect_rows(count, [], ["count(*)"], [[60]], False, "a small select")
    ### END HIDDEN TESTS

# %% [markdown] hint="sql_tool"
# Sketch: two `if`s raise the `ValueError`s about the text. Then connect with the read-only
# address, `con.execute(query, args)`, and fetch `limit + 1` rows: one too many tells you that
# there are more. Put all of it into a `try` that turns a `sqlite3.Error` into a `ValueError`.

# %% [markdown] hint="sql_tool"
# ```python
# if not query.lstrip().upper().startswith(...):
#     raise ValueError(...)
# if "'" in query:
#     raise ValueError(...)
# try:
#     con = sqlite3.connect(..., uri=True)
#     try:
#         cursor = con.execute(query, ...)
#         rows = cursor.fetchmany(...)
#         columns = [it[0] for it in cursor.description]
#     finally:
#         con.close()
# except sqlite3.Error as error:
#     raise ValueError(...)
# return {"columns": ..., "rows": rows[:limit], "more": ...}
# ```


# %% right="sql_tool"
def sql_tool(path, query, args, limit=20):
    if query.split()[:1] and query.split()[0].lower() != "select":
        raise ValueError("a SELECT, please")
    if query.count("'"):
        raise ValueError("a quoted value in the query")
    if not Path(path).exists():
        raise ValueError("no such file")
    con = None
    try:
        con = sqlite3.connect("file:" + path + "?mode=ro", uri=True)
        found = con.execute(query, tuple(args))
        names = [column for column, *_ in found.description]
        first = found.fetchmany(limit)
        more = found.fetchone() is not None
    except sqlite3.Error as error:
        raise ValueError(str(error) or "refused")
    finally:
        if con is not None:
            con.close()
    return {"columns": names, "rows": [list(r) for r in first], "more": more}


# %% wrong="sql_tool" says="'; DROP' ran"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    for value in args:
        query = query.replace("?", f"'{value}'", 1)
    con = sqlite3.connect(path)
    try:
        con.executescript(query)
        cursor = con.execute(query.split(";")[0])
        rows = [list(row) for row in cursor.fetchmany(limit + 1)]
        columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    finally:
        con.close()
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% wrong="sql_tool" says="O'Neill; execute apart"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    for value in args:
        query = query.replace("?", f"'{value}'", 1)
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query)
            rows = [list(row) for row in cursor.fetchmany(limit + 1)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% wrong="sql_tool" says="list of forbidden words"
def sql_tool(path, query, args, limit=20):
    if any(w in query.upper() for w in ("DROP", "DELETE", "UPDATE", "PRAGMA")):
        raise ValueError("a forbidden word")
    if "'" in query:
        raise ValueError("no quoted text in the query")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchmany(limit + 1)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% wrong="sql_tool" says="stands in the text of the query"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT"):
        raise ValueError("only a SELECT is allowed")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchmany(limit + 1)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% wrong="sql_tool" says="fetch no more than limit"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchall()]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows, "more": len(rows) > limit}


# %% wrong="sql_tool" says='"more" must be True'
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchmany(limit)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows, "more": len(rows) > limit}


# %% wrong="sql_tool" says="was made; read-only"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    try:
        with contextlib.closing(sqlite3.connect(path)) as con:
            con.execute("SELECT COUNT(*) FROM orders")
            cursor = con.execute(query, args)
            rows = [list(row) for row in cursor.fetchmany(limit + 1)]
            columns = [it[0] for it in cursor.description]
    except sqlite3.Error as error:
        raise ValueError(f"the database says: {error}")
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% wrong="sql_tool" says="raises ProgrammingError; Raise a ValueError with an explanation"
def sql_tool(path, query, args, limit=20):
    if not query.lstrip().upper().startswith("SELECT") or "'" in query:
        raise ValueError("only a SELECT without quotes is allowed")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as con:
        cursor = con.execute(query, args)
        rows = [list(row) for row in cursor.fetchmany(limit + 1)]
        columns = [it[0] for it in cursor.description]
    return {"columns": columns, "rows": rows[:limit], "more": len(rows) > limit}


# %% [markdown]
# From a question to SQL, live. First the model writes freely, with the tables before its
# eyes; then it chooses among four queries that a colleague has written, and the country comes
# out of the question by ordinary code.

# %% demo
TABLES = (
    "Table customers(id, name, country). Table orders(id, customer_id, "
    "ordered_on). Table products(sku, name, price_cents, stock)."
)
ANSWERS = (
    "SELECT COUNT(*) FROM orders",
    "SELECT COUNT(*) FROM customers WHERE country = ?",
    """SELECT COUNT(*) FROM orders
       JOIN customers c ON c.id = customer_id WHERE c.country = ?""",
    "SELECT name, stock FROM products ORDER BY stock LIMIT 3",
)
ABOUT = {
    " the number of all orders": 0,
    " the number of customers in a country": 1,
    " the number of orders to a country": 2,
    " the products that are running out": 3,
}
CODES = {"norway": "NO", "poland": "PL", "germany": "DE"}
MANAGER = 'A manager of a lamp shop asked: "{text}" The manager wants to know'


def surprise(ending, text):
    """Return how much likelier each token is than behind an empty question."""
    likely = log_probs(MANAGER.format(text=text), ending)
    without = log_probs(MANAGER.format(text="..."), ending)
    return [a - b for a, b in zip(likely, without, strict=True)]


for text in (
    "How many customers live in Poland?",
    "How many orders went to Norway?",
    "Which lamps are nearly sold out?",
):
    asked = f"{TABLES}\nWrite one SQL query: {text}"
    free = chat.chat([user(asked)], max_tokens=40).text
    sql = free.split("```")[1].removeprefix("sql") if "```" in free else free
    print(text, "\n   it wrote: ", " ".join(sql.split()))
    try:
        print("   it gives: ", sql_tool(shop, sql.strip().split(";")[0], []))
    except ValueError as error:
        print("   refused:  ", error)
    args = [c for name, c in CODES.items() if name in text.lower()]
    possible = [
        e for e, i in ABOUT.items() if ANSWERS[i].count("?") == len(args)
    ]
    pick = choose(lambda ending: surprise(ending, text), possible)
    query = ANSWERS[ABOUT[pick]]
    print("   it chose: ", " ".join(query.split()), args)
    print("   it gives: ", sql_tool(shop, query, args)["rows"])

# %% [markdown]
# What it wrote freely is no SQL, or names tables that do not exist, and the database said so. Had they
# existed, nothing could have happened to them. What it chose among is right by
# construction, as SQL; whether it answers the question is another matter, and here it is
# again the two rules of the router that help: an option must fit the values that are in the
# question, and each is compared with how likely it is behind anything.
#
# ## 8 · Speak to every assistant: MCP
#
# Your agent and your tools live in one program. If every assistant is to use the tools of
# every shop, the two need a language. The **Model Context Protocol** (MCP) is one, and it
# is small. A client starts the server as a process, and they exchange lines of JSON, by the
# rules of *JSON-RPC 2.0*, over the server's standard input and output:
#
# ```text
# → {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
#    "params": {"name": "order_status", "arguments": {"order_id": 1402}}}
# ← {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text",
#    "text": "{\"status\": ...}"}], "isError": false}}
# ```
#
# A message with an `id` is a **request** and gets exactly one answer with the same id: a
# `result`, or an `error` with a code. A message without one is a **notification**, and gets
# none, whatever it says. And since standard output *is* the wire, a `print` for debugging
# breaks the conversation.
#
# ### Exercise: `mcp_handle`
#
# - **In:** `msg`, one message as a dictionary; `tools`, a dictionary from names to
#   `{"description": ..., "inputSchema": ..., "run": function}`.
# - **Out:** the answer as a dictionary, or `None` for a notification. Print nothing.
#
# Every answer holds `"jsonrpc": "2.0"` and the request's `id` **as it came** (`"1"` is not
# `1`, and `0` is an id). The methods:
#
# | method | `result` |
# |---|---|
# | `initialize` | `protocolVersion`: the client's (`params["protocolVersion"]`) if it is in `VERSIONS`, else the last of them; `capabilities`: `{"tools": {}}`; `serverInfo`: `{"name": "lampa", "version": "1"}` |
# | `ping` | `{}` |
# | `tools/list` | `{"tools": [...]}`, each with `name`, `description`, `inputSchema` |
# | `tools/call` | `content`: one item `{"type": "text", "text": ...}` with the tool's result as JSON, and `isError`: `False` |
#
# A tool that **fails** (it raises an exception) is a result: `isError` is `True`, and the
# text is the exception's. The model is to read it and do better. A `tools/call` of a tool
# that does not exist is an `error` of the protocol, `{"code": -32602, "message": ...}`, and an
# unknown method one with the code `-32601`. `arguments` may be missing in a call; then there
# are none.

# %% setup
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")


# %% exercise="mcp_handle" points=3 minutes=12 difficulty=3
def mcp_handle(msg, tools):
    """Return the answer to one message of the protocol, or None."""
    # 1. notification: no id, no answer
    # 2. initialize, ping, tools/list
    # 3. tools/call: a tool's failure is a result with isError
    # 4. wrap: jsonrpc, the same id, and result or error
    ### BEGIN SOLUTION
    if "id" not in msg:
        return None
    answer = {"jsonrpc": "2.0", "id": msg["id"]}
    method, params = msg["method"], msg.get("params") or {}
    if method == "initialize":
        version = params.get("protocolVersion")
        answer["result"] = {
            "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }
    elif method == "ping":
        answer["result"] = {}
    elif method == "tools/list":
        kept = ("description", "inputSchema")
        answer["result"] = {
            "tools": [
                {"name": name, **{key: tool[key] for key in kept}}
                for name, tool in tools.items()
            ]
        }
    elif method != "tools/call":
        answer["error"] = {"code": -32601, "message": f"no method {method}"}
    elif params.get("name") not in tools:
        message = f"unknown tool: {params.get('name')}"
        answer["error"] = {"code": -32602, "message": message}
    else:
        try:
            run = tools[params["name"]]["run"]
            text, failed = json.dumps(run(**params.get("arguments", {}))), False
        except Exception as error:
            text, failed = str(error), True
        content = [{"type": "text", "text": text}]
        answer["result"] = {"content": content, "isError": failed}
    return answer
    ### END SOLUTION
    return {"jsonrpc": "2.0", "id": 1, "result": {}}  # replace this line


# %% [markdown]
# The check listens to what your function prints:


# %%
def overheard(msg, tools):
    """Return your answer, and what was printed meanwhile."""
    wire = io.StringIO()
    with contextlib.redirect_stdout(wire):
        answer = mcp_handle(msg, tools)
    return [answer, wire.getvalue()]


# %% check="mcp_handle"
def double(number):
    if number > 10:
        raise ValueError("number must be at most 10, got " + str(number))
    return {"twice": 2 * number}


def now():
    return {"time": "12:00"}


KIT = {
    "double": {
        **tool_like("double", ["number"], number="integer"),
        "run": double,
    },
    "now": {**tool_like("now", []), "run": now},
}


def answered(msg):
    """Return the learner's answer to a message; nothing may be printed."""
    got, printed = overheard(dict(msg), KIT)
    expect(
        not printed,
        f"your function printed {str(printed)[:40]!r}. Standard output is the "
        "wire: a client reads this as a broken message. Print to sys.stderr.",
    )
    return got


def expect_answer(method, params, key, want, id_=1, why=""):
    """Judge the answer to a request; `key` is result or error."""
    msg = {"jsonrpc": "2.0", "id": id_, "method": method}
    if params is not None:
        msg["params"] = params
    got = answered(msg)
    name = f"the answer to {method} with id {id_!r}"
    expect(
        got is not None,
        f"{name} is None: a request, which has an id, must be answered. "
        "(0 is an id too.)",
    )
    expect_type(got, dict, name)
    expect_equal(got.get("jsonrpc"), "2.0", f'"jsonrpc" of {name}')
    expect(
        "id" in got, f"{name} has no id: the client cannot tell whose it is."
    )
    same = got["id"] == id_ and isinstance(got["id"], str) is isinstance(
        id_, str
    )
    expect(
        same,
        f"{name} has the id {got['id']!r}. It must come back as it came, in "
        "its type too: '1' is not 1.",
    )
    other = "error" if key == "result" else "result"
    expect(
        key in got and other not in got,
        f"{name} holds {sorted(got)}: there must be a {key} and no {other}. "
        f"{why}",
    )
    if want is not None:
        expect_equal(got[key], want, f"the {key} of {name}")
    return got[key]


def tool_result(name, arguments, failed, id_=1):
    """Judge the form of a tool's result, and return its text."""
    params = {"name": name}
    if arguments is not None:
        params["arguments"] = arguments
    why = (
        "A tool that fails is a result with isError true, which the model "
        "reads. An error of the protocol is for the program."
    )
    result = expect_answer("tools/call", params, "result", None, id_, why)
    expect_equal(
        result.get("isError"), failed, f"isError of {name}({arguments})"
    )
    content = result.get("content")
    expect_type(content, (list, tuple), "content")
    expect_equal(len(content), 1, "the number of items of content")
    expect_equal(content[0].get("type"), "text", "the content's type")
    expect_type(content[0].get("text"), str, "the content's text")
    return content[0]["text"]


with check("a5.mcp_handle"):
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "0"},
    }
    own = dict(name="lampa", version="1")
    server = dict(protocolVersion="2025-06-18", serverInfo=own)
    server["capabilities"] = dict(tools={})
    expect_answer("initialize", hello, "result", server)
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    got = answered(ready)
    expect(
        got is None,
        f"you answered a notification: {got}. It has no id, so nobody waits "
        "for an answer. Return None.",
    )
    listed = [
        {k: tool[k] for k in ("name", "description", "inputSchema")}
        for tool in KIT.values()
    ]
    expect_answer("tools/list", None, "result", {"tools": listed}, "abc")
    text = tool_result("double", {"number": 4}, False, 2)
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        fail(f"the text is {text!r}: the tool's result as JSON is wanted.")
    expect_equal(value, {"twice": 8}, "the tool's result, read from the text")
    text = tool_result("double", {"number": 11}, True, 3)
    expect(
        "at most 10" in text,
        f"the tool said why it failed, and the text is {text!r}: pass the "
        "exception's text on.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for id_ in ("1", 0, "", int(rng.integers(10**6)), "x-7"):
        expect_answer("ping", None, "result", {}, id_)
    old = {**hello, "protocolVersion": "1999-01-01"}
    last = {**server, "protocolVersion": VERSIONS[-1]}
    expect_answer("initialize", old, "result", last)
    for version in VERSIONS:
        expect_answer(
            "initialize",
            {**hello, "protocolVersion": version},
            "result",
            {**server, "protocolVersion": version},
        )
    for method in ("tools/call", "notifications/cancelled", "no/such"):
        note = {"jsonrpc": "2.0", "method": method, "params": {"name": "now"}}
        got = answered(note)
        expect(
            got is None,
            f"you answered a notification ({method} without an id): {got}. "
            "Return None, whatever the method is.",
        )
    error = expect_answer("resources/list", None, "error", None, 5)
    expect_equal(error.get("code"), -32601, "the code for an unknown method")
    expect_type(error.get("message"), str, "the error's message")
    nobody = {"name": "nobody", "arguments": {}}
    error = expect_answer("tools/call", nobody, "error", None, 6)
    expect_equal(error.get("code"), -32602, "the code for an unknown tool")
    expect_equal(
        json.loads(tool_result("now", None, False)), {"time": "12:00"}, "now()"
    )
    tool_result("double", {"numbre": 1}, True)
    ### END HIDDEN TESTS

# %% [markdown] hint="mcp_handle"
# Sketch: `if "id" not in msg: return None` comes first. Begin the answer with `jsonrpc` and
# the id, then one `if`/`elif` chain over the method puts `result` or `error` into it. Only
# `tools/call` is more than one line: unknown tool, or a `try` around the tool.

# %% [markdown] hint="mcp_handle"
# ```python
# if "id" not in msg:
#     return ...
# answer = {"jsonrpc": "2.0", "id": ...}
# method, params = msg["method"], msg.get("params") or {}
# if method == "initialize":
#     answer["result"] = {"protocolVersion": ..., "capabilities": ..., "serverInfo": ...}
# elif method == "ping": ...
# elif method == "tools/list":
#     answer["result"] = {"tools": [{"name": name, ...} for name, tool in tools.items()]}
# elif method != "tools/call":
#     answer["error"] = {"code": ..., "message": ...}
# elif ...:                                  # no such tool
#     answer["error"] = {"code": ..., "message": ...}
# else:
#     try: ...                               # json.dumps of the result, False
#     except Exception as error: ...         # str(error), True
#     answer["result"] = {"content": [...], "isError": ...}
# return answer
# ```


# %% right="mcp_handle"
def mcp_handle(msg, tools):
    def initialize(params):
        asked = params["protocolVersion"]
        return {
            "protocolVersion": asked if asked in VERSIONS else "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }

    def list_tools(params):
        found = []
        for name in tools:
            found.append(
                {
                    "name": name,
                    "description": tools[name]["description"],
                    "inputSchema": tools[name]["inputSchema"],
                }
            )
        return {"tools": found}

    def call(params):
        tool = tools[params["name"]]["run"]
        try:
            said, bad = json.dumps(tool(**params.get("arguments") or {})), False
        except Exception as error:
            said, bad = f"{type(error).__name__}: {error}", True
        return {"content": [{"type": "text", "text": said}], "isError": bad}

    known = {"initialize": initialize, "ping": lambda params: {}}
    known |= {"tools/list": list_tools, "tools/call": call}
    if msg.get("id") is None:
        return None
    head, method = {"jsonrpc": "2.0", "id": msg["id"]}, msg["method"]
    params = msg.get("params", {})
    if method not in known:
        return head | {"error": {"code": -32601, "message": "no method"}}
    if method == "tools/call" and params["name"] not in tools:
        return head | {"error": {"code": -32602, "message": "no tool"}}
    return head | {"result": known[method](params)}


# %% wrong="mcp_handle" says="you answered a notification"
def mcp_handle(msg, tools):
    answer = {"jsonrpc": "2.0", "id": msg.get("id")}
    method, params = msg["method"], msg.get("params") or {}
    if method == "initialize":
        version = params.get("protocolVersion")
        answer["result"] = {
            "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }
    else:
        answer["result"] = {}
    return answer


# %% wrong="mcp_handle" says="(0 is an id too.)"
def mcp_handle(msg, tools):
    if not msg.get("id"):
        return None
    answer = {"jsonrpc": "2.0", "id": msg["id"]}
    method, params = msg["method"], msg.get("params") or {}
    if method == "initialize":
        version = params.get("protocolVersion")
        answer["result"] = {
            "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }
    elif method == "ping":
        answer["result"] = {}
    elif method == "tools/list":
        answer["result"] = {
            "tools": [
                {
                    "name": name,
                    "description": tool["description"],
                    "inputSchema": tool["inputSchema"],
                }
                for name, tool in tools.items()
            ]
        }
    else:
        try:
            run = tools[params["name"]]["run"]
            text, failed = json.dumps(run(**params.get("arguments", {}))), False
        except Exception as error:
            text, failed = str(error), True
        content = [{"type": "text", "text": text}]
        answer["result"] = {"content": content, "isError": failed}
    return answer


# %% wrong="mcp_handle" says="as it came; '1' is not 1"
def mcp_handle(msg, tools):
    if "id" not in msg:
        return None
    answer = {"jsonrpc": "2.0", "id": str(msg["id"])}
    version = (msg.get("params") or {}).get("protocolVersion")
    answer["result"] = {
        "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "lampa", "version": "1"},
    }
    return answer


# %% wrong="mcp_handle" says="error of the protocol is for the program"
def mcp_handle(msg, tools):
    if "id" not in msg:
        return None
    answer = {"jsonrpc": "2.0", "id": msg["id"]}
    method, params = msg["method"], msg.get("params") or {}
    if method == "initialize":
        version = params.get("protocolVersion")
        answer["result"] = {
            "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }
    elif method == "tools/list":
        answer["result"] = {
            "tools": [
                {
                    "name": name,
                    "description": tool["description"],
                    "inputSchema": tool["inputSchema"],
                }
                for name, tool in tools.items()
            ]
        }
    else:
        try:
            run = tools[params["name"]]["run"]
            text = json.dumps(run(**params.get("arguments", {})))
            content = [{"type": "text", "text": text}]
            answer["result"] = {"content": content, "isError": False}
        except Exception as error:
            answer["error"] = {"code": -32603, "message": str(error)}
    return answer


# %% wrong="mcp_handle" says="Standard output is the wire"
def mcp_handle(msg, tools):
    print("got", msg)
    if "id" not in msg:
        return None
    return {"jsonrpc": "2.0", "id": msg["id"], "result": {}}


# %% wrong="mcp_handle" says="the result of the answer to initialize"
def mcp_handle(msg, tools):
    # always the newest version, whatever the client can read
    if "id" not in msg:
        return None
    answer = {"jsonrpc": "2.0", "id": msg["id"]}
    answer["result"] = {
        "protocolVersion": VERSIONS[-1],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "lampa", "version": "1"},
    }
    return answer


# %% wrong="mcp_handle" says="the tool's result as JSON"
def mcp_handle(msg, tools):
    if "id" not in msg:
        return None
    answer = {"jsonrpc": "2.0", "id": msg["id"]}
    method, params = msg["method"], msg.get("params") or {}
    if method == "initialize":
        version = params.get("protocolVersion")
        answer["result"] = {
            "protocolVersion": version if version in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lampa", "version": "1"},
        }
    elif method == "tools/list":
        answer["result"] = {
            "tools": [
                {
                    "name": name,
                    "description": tool["description"],
                    "inputSchema": tool["inputSchema"],
                }
                for name, tool in tools.items()
            ]
        }
    else:
        text = str(tools[params["name"]]["run"](**params["arguments"]))
        content = [{"type": "text", "text": text}]
        answer["result"] = {"content": content, "isError": False}
    return answer


# %% [markdown]
# ### The official library against your server
#
# The best judge of a protocol is somebody else's program. Below, the client of the official
# MCP library for Python talks to **your** `mcp_handle`. (It first asks for the newest version
# of the protocol, of July 2026, which has no `initialize` any more. Your server answers with
# `-32601`, and the client falls back.)

# %% demo
from mcp import Client

from course.shop_mcp import handler_transport, wait_for

shop_kit = {it["name"]: {**it, "run": tools[it["name"]]} for it in schemas}
heard = []


def listen(msg):
    """Note each message and your answer."""
    answer = mcp_handle(msg, shop_kit)
    heard.append((msg, answer))
    return heard[-1][1]


async def talk():
    """What the client does."""
    async with Client(handler_transport(listen)) as client:
        print([it.name for it in (await client.list_tools()).tools])
        for number in (1402, 77):
            back = await client.call_tool("order_status", {"order_id": number})
            print(back.is_error, back.content[0].text[:70])


wait_for(talk)
for msg, answer in heard:
    kind = "–" if answer is None else sorted(set(answer) - {"id", "jsonrpc"})[0]
    print(f"{msg['method']:28} → {kind}")

# %% [markdown]
# And now the other way round: a real server, written with the official library in 20 lines
# (`course/shop_mcp.py`), that the client starts as a
# process of its own and speaks to over standard input and output. Any assistant that knows
# MCP could be the client.

# %% demo
import sys

from mcp import StdioServerParameters, stdio_client

server = StdioServerParameters(
    command=sys.executable, args=["-m", "course.shop_mcp", shop]
)
CALLS = (
    {"name": "order_status", "arguments": {"order_id": 1402}},
    {"name": "order_status", "arguments": {"order_id": 77}},
    {"name": "cancel_order", "arguments": {"order_id": 1590}},
)


async def talk_over_stdio():
    """List the tools; call those that only read."""
    # a notebook's own stderr is no file that a process could write to
    wire = stdio_client(server, errlog=sys.__stderr__)
    async with Client(wire) as client:
        for it in (await client.list_tools()).tools:
            writes = "writes" if it.annotations.destructive_hint else "reads"
            required = it.input_schema["required"]
            print(f"{it.name:16} {writes:8}", "required:", *required)
        for call in CALLS:
            print("\n", call)
            if call["name"] in WRITES:
                print("   a write: nobody said yes, so it is not sent")
                continue
            back = await client.call_tool(call["name"], call["arguments"])
            text = back.content[0].text[:80].replace("\n", " ")
            print("   error: " if back.is_error else "   result:", text)


wait_for(talk_over_stdio)

# %% [markdown]
# The library reads your annotations and docstrings, checks arguments, keeps the ids, and
# answers. It took over everything that you wrote by hand, **but one thing**: whether a write
# may happen. `destructiveHint` is a hint. The yes of a person has to be asked for on your side
# of the wire, in `run_agent`, where nobody else's program can skip it.
#
# ## What this tells you about the job
#
# Most of today was not about the model. It wrote flawless JSON for the wrong tool, and what
# saved the customer was a validator of fifteen lines, a router that makes it choose instead
# of write, and a loop that asks. That is a fair picture of the work: the model is the easy
# part to get, and everything around it is yours. Some people find that disappointing. Others
# find that this is where the engineering is.
#
# The other half of the day, M5, also asks question after question and branches on the
# answers. But there the questions are learned from data, and nobody has to be asked before a
# leaf is reached.
#
# ## Further reading
#
# - Model Context Protocol, specification 2025-11-25: *Lifecycle*, *Tools*,
#   modelcontextprotocol.io.
# - JSON-RPC 2.0 Specification, jsonrpc.org: three pages, worth reading whole.
# - T. Schick and others: *Toolformer: Language Models Can Teach Themselves to Use Tools*,
#   NeurIPS 2023, arXiv:2302.04761.
# - S. Yao and others: *ReAct: Synergizing Reasoning and Acting in Language Models*, ICLR 2023,
#   arXiv:2210.03629.
# - B. Willard, R. Louf: *Efficient Guided Generation for Large Language Models*, 2023,
#   arXiv:2307.09702: constrained decoding with regular expressions.
# - A. Holtzman and others: *Surface Form Competition: Why the Highest Probability Answer
#   Isn't Always Right*, EMNLP 2021, arXiv:2104.08315: why endings are compared with themselves.
# - OWASP, *SQL Injection Prevention Cheat Sheet*: parameters first.
#
# ## Would you do this again tomorrow?

# %%
again("a5", 0)
