"""(name, reference answer, check) triples: what checks do with learners' objects.

Each check passes in one namespace, and must pass through the referee; `WRONG` pairs
fail in both.
"""

CASES = [
    (
        "arrays",
        "import numpy as np\ndef f(x): return x * 2",
        (
            "import numpy as np\nnp.testing.assert_allclose(f(np.arange(3.)), [0, 2, 4])\n"
            "assert f(np.ones((2, 3), 'f4')).dtype == np.float32 and f(3) == 6\n"
            "assert f(np.arange(10**5)).sum() == 10**5 * (10**5 - 1)"
        ),
    ),
    (
        "a callback that is asked and that raises",
        (
            "def retry(call, n):\n    for i in range(n):\n        try: return call(i)\n"
            "        except ValueError: pass\n    return call(n)"
        ),
        (
            "seen = []\ndef call(i):\n    seen.append(i)\n    if i < 2: raise ValueError('no')\n"
            "    return i * 10\nassert retry(call, 3) == 20 and seen == [0, 1, 2]\n"
            "class Mine(Exception): pass\ndef bad(i): raise Mine('always')\n"
            "try: retry(bad, 1); assert False\nexcept Mine as e: assert str(e) == 'always'"
        ),
    ),
    (
        "a class with operators",
        (
            "class Value:\n    def __init__(self, data): self.data, self.grad = data, 0.0\n"
            "    def __add__(self, o): return Value(self.data + getattr(o, 'data', o))\n"
            "    __radd__ = __add__\n"
            "    def __mul__(self, o): return Value(self.data * getattr(o, 'data', o))\n"
            "    def __eq__(self, o): return self.data == o.data\n"
            "    def __len__(self): return 3\n    def __getitem__(self, i): return [1, 2, 3][i]\n"
            "    def __iter__(self): return iter([1, 2, 3])\n"
            "    def __enter__(self): self.grad = 5.0; return self\n"
            "    def __exit__(self, *a): self.grad = 7.0"
        ),
        (
            "a, b = Value(2.0), Value(3.0)\nassert (a * b + 1 + a).data == 9.0\n"
            "assert a == Value(2.0) and a != b and len(a) == 3 and a[1] == 2\n"
            "assert list(a) == [1, 2, 3]\nassert (1 + a).data == 3\n"
            "with a as c: assert c is a and a.grad == 5.0\nassert a.grad == 7.0\n"
            "a.grad = 1.5\nassert a.grad == 1.5 and isinstance(a, Value)"
        ),
    ),
    (
        "an endless generator",
        "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
        (
            "import itertools\nassert list(itertools.islice(naturals(), 4)) == [0, 1, 2, 3]\n"
            "g = naturals()\nassert next(g) == 0 and next(g) == 1 and iter(g) is g"
        ),
    ),
    (
        "exceptions of the learner's own",
        (
            "class Empty(LookupError):\n    def __init__(self, text, code):\n"
            "        super().__init__(text); self.code = code\n"
            "class VeryEmpty(Empty): pass\n"
            "def top(s, very=False):\n"
            "    if not s: raise (VeryEmpty if very else Empty)('nothing there', 7)\n"
            "    return s[-1]"
        ),
        (
            "try: top([]); assert False\n"
            "except Empty as e: assert 'nothing' in str(e) and e.code == 7\n"
            "try: top([], True); assert False\nexcept Empty as e: pass\n"
            "try: top([]); assert False\nexcept LookupError: pass\nassert top([1]) == 1\n"
            "import unittest\n"
            "with unittest.TestCase().assertRaises(VeryEmpty): top([], True)"
        ),
    ),
    (
        "what is printed",
        "def hello(name): print('Hello,', name)",
        (
            "import io, contextlib\nout = io.StringIO()\n"
            "with contextlib.redirect_stdout(out): hello('Ann')\n"
            "assert out.getvalue() == 'Hello, Ann\\n'"
        ),
    ),
    (
        "seeded generators of all kinds",
        (
            "import numpy as np, random\n"
            "def draw(rng): return rng.normal(size=3)\n"
            "def old(): return np.random.rand(2)\ndef lib(): return random.random()\n"
            "def pick(r): return r.randrange(10**6)"
        ),
        (
            "import numpy as np, random\n"
            "a, b = np.random.default_rng(1), np.random.default_rng(1)\n"
            "for _ in range(2): assert np.array_equal(draw(a), b.normal(size=3))\n"
            "assert a.random() == b.random()\n"
            "np.random.seed(3); got = old(); np.random.seed(3)\n"
            "assert np.array_equal(got, np.random.rand(2))\n"
            "random.seed(3); got = lib(); random.seed(3); assert got == random.random()\n"
            "r, s = random.Random(2), random.Random(2)\n"
            "assert [pick(r), pick(r)] == [s.randrange(10**6), s.randrange(10**6)]\n"
            "o, p = np.random.RandomState(2), np.random.RandomState(2)\n"
            "assert np.array_equal(draw(o), p.normal(size=3)) and o.rand() == p.rand()"
        ),
    ),
    (
        "tables",
        (
            "import pandas as pd\ndef means(df): return df.groupby('k')['v'].mean()\n"
            "def add(df): df['w'] = df['v'] * 2"
        ),
        (
            "import pandas as pd\n"
            "df = pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1.0, 2.0, 3.0]})\n"
            "m = means(df)\nassert m['a'] == 2.0 and list(m.index) == ['a', 'b']\n"
            "assert m.name == 'v' and m.index.name == 'k'\n"
            "add(df); assert list(df['w']) == [2.0, 4.0, 6.0]"
        ),
    ),
    (
        "arguments changed in place keep their identity",
        (
            "def sort(xs): xs.sort(); return xs\n"
            "def step(params, lr):\n    for k in params: params[k] -= lr\n    return params\n"
            "def rebind(params): params['w'] = params['w'] - 1\n"
            "def fill(a): a[:] = 7"
        ),
        (
            "import numpy as np\nxs = [3, 1, 2]; r = sort(xs)\nassert r is xs and xs == [1, 2, 3]\n"
            "w = np.ones(2); p = {'w': w}\nassert step(p, 0.5) is p\n"
            "assert p['w'] is w and w[0] == 0.5\n"
            "rebind(p); assert p['w'] is not w and w[0] == 0.5 and p['w'][0] == -0.5\n"
            "a = np.zeros(2000); fill(a); assert a.sum() == 14000"
        ),
    ),
    (
        "one array handed in twice is one array",
        "def same(a, b): return a is b\ndef first(xs): return xs[0] is xs[1]",
        (
            "import numpy as np\nx = np.zeros(3)\n"
            "assert same(x, x) and not same(x, x.copy()) and first([x, x])"
        ),
    ),
    (
        "a global that calls change",
        "count = 0\ndef bump():\n    global count\n    count += 1",
        "bump(); bump(); assert count == 2",
    ),
    (
        "a dataclass of the learner's own",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 2",
        (
            "p = P(1)\nassert (p.x, p.y) == (1, 2) and p == P(1, 2) and p != P(2)\n"
            "assert 'x=1' in repr(p)\np.x = 5; assert p.x == 5"
        ),
    ),
    (
        "a namedtuple",
        (
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\n"
            "def flip(p): return P(p.y, p.x)"
        ),
        (
            "p = flip(P(1, 2))\nassert p == (2, 1) and p.x == 2 and isinstance(p, tuple)\n"
            "x, y = p; assert (x, y) == (2, 1)"
        ),
    ),
    (
        "closures",
        "def adder(n):\n    def add(x): return x + n\n    return add",
        "assert adder(2)(3) == 5 and callable(adder(1)) and adder(1).__name__ == 'add'",
    ),
    (
        "signatures and docstrings",
        "def f(x, *, k=3, **more):\n    'Say it.'\n    return x",
        (
            "import inspect\ns = inspect.signature(f)\n"
            "assert list(s.parameters) == ['x', 'k', 'more']\n"
            "assert s.parameters['k'].default == 3 and f.__doc__ == 'Say it.'"
        ),
    ),
    (
        "objects of the check's own",
        (
            "def total(shapes): return sum(s.area() for s in shapes)\n"
            "def ask(model, text): return model.reply(text) + model.name\n"
            "def double(n): return n + n\ndef size(box): return len(box)"
        ),
        (
            "class Square:\n    def __init__(self, a): self.a = a\n    def area(self): return self.a ** 2\n"
            "class Model:\n    name = '!'\n    def __init__(self): self.log = []\n"
            "    def reply(self, text): self.log.append(text); return text.upper()\n"
            "m = Model()\nassert total([Square(2), Square(3)]) == 13\n"
            "assert ask(m, 'hi') == 'HI!' and m.log == ['hi']\n"
            "class Num:\n    def __init__(self, v): self.v = v\n"
            "    def __add__(self, o): return Num(self.v + o.v)\n    def __len__(self): return 4\n"
            "assert double(Num(2)).v == 4 and size(Num(1)) == 4"
        ),
    ),
    (
        "numbers at the edges",
        "def f(x): return x",
        (
            "import math\nfor x in (2**200, -2**70, 1+2j, float('inf'), True, None, b'x'):\n"
            "    assert f(x) == x and type(f(x)) is type(x)\n"
            "assert math.isnan(f(float('nan'))) and f((1, [2, (3,)])) == (1, [2, (3,)])\n"
            "assert f({1, 2}) == {1, 2} and f({(1, 2): {'a': [3]}}) == {(1, 2): {'a': [3]}}\n"
            "assert f('\\ud800x') == '\\ud800x' and f(range(3)) == range(3)"
        ),
    ),
    (
        "library functions and exceptions as arguments",
        (
            "import numpy as np\ndef apply(f, x): return f(x)\n"
            "def is_same(f): return f is np.tanh\n"
            "def catch(call, kind):\n    try: call()\n    except kind: return 'caught'"
        ),
        (
            "import numpy as np, math\nassert apply(np.tanh, np.zeros(2)).sum() == 0\n"
            "assert apply(math.sqrt, 4) == 2 and apply(int, '3') == 3 and is_same(np.tanh)\n"
            "def call(): raise KeyError('k')\nassert catch(call, LookupError) == 'caught'"
        ),
    ),
    (
        "a generator handed in",
        "def take(it, n): return [next(it) for _ in range(n)]",
        (
            "def source():\n    yield from range(100)\ng = source()\n"
            "assert take(g, 3) == [0, 1, 2] and next(g) == 3"
        ),
    ),
    (
        "a callback that changes what it is given",
        "def run(update, state):\n    for _ in range(3): update(state)\n    return state",
        (
            "def update(state): state['n'] += 1\n"
            "s = {'n': 0}\nassert run(update, s)['n'] == 3 and s['n'] == 3"
        ),
    ),
    (
        "a decorator around the check's function",
        (
            "import functools\ndef counted(f):\n    @functools.wraps(f)\n"
            "    def g(*a):\n        g.calls += 1\n        return f(*a)\n"
            "    g.calls = 0\n    return g"
        ),
        (
            "def plus(a): return a + 1\nc = counted(plus)\nassert c(1) == 2 and c(2) == 3\n"
            "assert c.calls == 2 and c.__name__ == 'plus'"
        ),
    ),
    (
        "warnings are not failures",
        "import warnings\ndef f(x):\n    warnings.warn('old')\n    return x",
        "assert f(1) == 1",
    ),
    (
        "an iterator class",
        (
            "class Count:\n    def __init__(self, n): self.n = n\n"
            "    def __iter__(self): return self\n"
            "    def __next__(self):\n        if self.n == 0: raise StopIteration\n"
            "        self.n -= 1\n        return self.n"
        ),
        (
            "assert list(Count(3)) == [2, 1, 0]\n"
            "try: next(Count(0)); assert False\nexcept StopIteration: pass"
        ),
    ),
    (
        "an estimator of a library",
        (
            "from sklearn.linear_model import LinearRegression\n"
            "def fit(X, y): return LinearRegression().fit(X, y)\n"
            "def use(model, X): return model.predict(X)"
        ),
        (
            "import numpy as np\nfrom sklearn.linear_model import LinearRegression\n"
            "X = np.arange(4.0)[:, None]; y = 2 * X[:, 0] + 1\nm = fit(X, y)\n"
            "assert np.allclose(m.predict(X), y) and abs(m.coef_[0] - 2) < 1e-9\n"
            "own = LinearRegression().fit(X, y)\nassert np.allclose(use(own, X), y)"
        ),
    ),
    (
        "figures",
        (
            "import matplotlib.pyplot as plt\n"
            "def draw(xs):\n    fig, ax = plt.subplots()\n    ax.plot(xs, label='a')\n"
            "    ax.set_xlabel('t')\n    return fig"
        ),
        (
            "fig = draw([1, 2])\nax = fig.axes[0]\nassert ax.get_xlabel() == 't'\n"
            "assert len(ax.lines) == 1 and list(ax.lines[0].get_ydata()) == [1, 2]"
        ),
    ),
    (
        "records of the course",
        (
            "def shorten(c):\n    from dataclasses import replace\n    return replace(c, text=c.text[:2])\n"
            "def chat(model):\n    return model.chat([{'role': 'user', 'content': 'hi'}])\n"
            "def told(model):\n    return [m for m in model.stream([{'role': 'user', 'content': 'x'}])]"
        ),
        (
            "from course.llm import Completion, ScriptedModel\n"
            "assert shorten(Completion('abc')) == Completion('ab')\n"
            "m = ScriptedModel(['yes', 'one two'])\nassert chat(m).text == 'yes'\n"
            "assert m.history[0][0]['content'] == 'hi' and ''.join(told(m)) == 'one two'"
        ),
    ),
]

TORCH = [
    (
        "tensors",
        (
            "import torch\ndef f(x): return torch.softmax(x, -1)\n"
            "def scale_(x): x.mul_(2); return x\ndef half(x): return x.to(torch.bfloat16)"
        ),
        (
            "import torch\nx = torch.randn(2, 3)\n"
            "assert torch.allclose(f(x).sum(-1), torch.ones(2))\ny = torch.ones(3)\n"
            "assert scale_(y) is y and y.sum() == 6 and half(y).dtype is torch.bfloat16"
        ),
    ),
    (
        "a module",
        (
            "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n"
            "        super().__init__(); self.l = torch.nn.Linear(2, 1)\n"
            "    def forward(self, x): return self.l(x)"
        ),
        (
            "import torch\nn = Net()\nassert n(torch.ones(4, 2)).shape == (4, 1)\n"
            "assert sum(p.numel() for p in n.parameters()) == 3\n"
            "assert set(n.state_dict()) == {'l.weight', 'l.bias'}"
        ),
    ),
    (
        "a seed",
        "import torch\ndef draw(): return torch.rand(3)",
        (
            "import torch\ntorch.manual_seed(1); a = draw(); torch.manual_seed(1)\n"
            "assert torch.equal(a, torch.rand(3))"
        ),
    ),
]
