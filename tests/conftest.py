"""What every test gets: a home of its own, and the example lesson."""

from collections import Counter
from pathlib import Path

import lesson_tools
import pytest
from class_tools import only_the_example

from course import lesson
from course.classroom import make_classroom

EXAMPLE = Path(__file__).parent / "data" / "z1_example.py"
LONG = ("test_lessons", "test_attacks", "test_browser_path")


def pytest_collection_modifyitems(items):
    """Long files first, then those of many tests: no worker waits for the last one."""
    tests = Counter(it.path for it in items)
    items.sort(key=lambda it: (it.path.stem not in LONG, -tests[it.path]))


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """The learner's log of a test is the test's own."""
    monkeypatch.setenv("CROSSROADS_HOME", str(tmp_path / "home"))
    for name in ("CROSSROADS_BASE_URL", "CROSSROADS_API_KEY", "NBGRADER_EXECUTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def _lessons_as_found():
    """A library that a module leaves exchanged would fail another module's tests."""
    before = lesson.LESSONS_DIR
    yield
    left, lesson.LESSONS_DIR = lesson.LESSONS_DIR, before
    lesson.load.cache_clear()
    assert left == before, f"this module left LESSONS_DIR at {left}"


@pytest.fixture(scope="session")
def run_lesson(tmp_path_factory):
    """Runs a solved lesson, with a home of its own: see `lesson_tools.run`."""
    return lambda name, **how: lesson_tools.run(
        name, tmp_path_factory.mktemp("home"), **how
    )


@pytest.fixture(scope="session")
def example_lesson():
    """The smallest complete lesson."""
    return lesson.read(EXAMPLE)


@pytest.fixture(scope="session")
def example_room(tmp_path_factory):
    """A classroom of the example lesson; copy it before you change it."""
    place = tmp_path_factory.mktemp("classroom")
    with only_the_example(place / "lessons"):
        return make_classroom(place / "room", hidden_seed=5)


@pytest.fixture(scope="session")
def engines():
    """Engines by mode, started when first asked for: the tests come in any order."""
    from engine_tools import PRELOAD

    from autograder.engine import Engine
    from autograder.sandbox import Setting

    running = {}

    def engine_of(mode):
        if mode not in running:
            running[mode] = Engine(Setting(preload=PRELOAD), mode=mode)
        return running[mode]

    yield engine_of
    for it in running.values():
        it.close()


@pytest.fixture(scope="session")
def _can_hold_untrusted_work():
    """Skips where there is no sandbox."""
    from autograder.probe import Mode, probe

    found = probe()
    if found.mode not in (Mode.NESTED, Mode.FLAT):
        pytest.skip("; ".join(found.reasons))


@pytest.fixture(params=["nested", "flat"])
def mode(request):
    """Both ways in which bubblewrap holds a submission."""
    from autograder.probe import Mode

    return Mode(request.param)


@pytest.fixture
def engine(engines, mode):
    """An engine in this mode, shared by the tests."""
    return engines(mode)
