"""The two texts of a classroom: nbgrader's configuration and the instructor's README."""

from collections.abc import Sequence

from course import lesson_text
from course.lesson import Lesson

SHORTEST_TIMEOUT_S = 60

_CONFIG = '''\
"""nbgrader's configuration of this classroom.

`course classroom` writes this file anew each time it runs. Your own settings go into
own_config.py beside it, in the same form (`c.Class.trait = value`): they come last.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent
c = get_config()  # noqa: F821 - traitlets defines it

c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = str(HERE)
c.CourseDirectory.db_url = f"sqlite:///{{(HERE / 'gradebook.db').as_posix()}}"
c.Exchange.root = str(HERE / "exchange")

# The lessons' own marks.
c.ClearSolutions.begin_solution_delimeter = {begin_solution!r}
c.ClearSolutions.end_solution_delimeter = {end_solution!r}
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
c.ClearHiddenTests.begin_test_delimeter = {begin_hidden!r}
c.ClearHiddenTests.end_test_delimeter = {end_hidden!r}

# Seconds: of one cell, and of a kernel on a busy machine.
c.Execute.timeout = {timeout_s}
c.Execute.startup_timeout = 180
c.Execute.iopub_timeout = 30
c.Execute.extra_arguments = ["--log-level=ERROR"]  # of the kernel: no chatter

# nbgrader's own steps, with those of course/preprocessors.py between them: a check that
# was not run has no score, and feedback does not show the hidden tests.
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "course.preprocessors.RestoreCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "nbgrader.preprocessors.Execute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbgrader.preprocessors.LimitOutput",
    "course.preprocessors.ForgiveWarnings",
    "nbgrader.preprocessors.SaveAutoGrades",
    "course.preprocessors.WithholdScores",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "course.preprocessors.HideHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]

if (HERE / "own_config.py").exists():
    load_subconfig("own_config.py", path=str(HERE))  # noqa: F821 - as above
'''

_README = """\
# {title}: a classroom

An [nbgrader](https://nbgrader.readthedocs.io) course made by `course classroom`. It holds
**solutions, hidden tests and, soon, students' work: do not publish this folder.**

| assignment | students' version |
|---|---|
{rows}

## Hand out
Give students the notebook below `release/`: by mail, a shared folder, a learning platform.
Or, on one machine that all share, through nbgrader's exchange, so that JupyterLab's
*Assignment List* shows it (Linux and macOS):

```
nbgrader release_assignment {first}
```

Students whose account is not yours need to reach and write the folder `exchange/`
(`chmod 777 exchange`), and the lines `c.Exchange.root = …` and
`c.CourseDirectory.course_id = …` of `nbgrader_config.py` in their own
`~/.jupyter/nbgrader_config.py`.

## Collect
Put each notebook at `submitted/STUDENT/{first}/{first}.ipynb`, where STUDENT is an id of
letters, digits, `.`, `_`, `@` and `-`. From the exchange: `nbgrader collect {first}`.

## Grade
```
autograder grade .        # what is new or changed; each submission in a sandbox
autograder feedback .     # a page for each student, below feedback/
autograder report .       # report.html: the class, its exercises, its mistakes
autograder export .       # export/*.csv; who was not graded has no score, not 0
```

Start `jupyter lab` in this folder and choose *Nbgrader > Formgrader* to read and comment on
the work, and to grade by hand; then `autograder export .` again.

`nbgrader autograde {first}`, `nbgrader generate_feedback {first}` and `nbgrader export` work
on this folder too, but run the students' code on this machine with your rights: only for
the work of people whom you trust.

## Afterwards
Run `course classroom` on this folder again to bring the lessons up to date. It keeps
submissions and grades, and it refuses a lesson that has grades and whose points changed.
Settings of your own go into `own_config.py`. Back up `gradebook.db`, `submitted/` and
`classroom.json`, which holds the seed of this class's hidden tests.
"""


def config_text(course_id: str, wanted: Sequence[Lesson]) -> str:
    """Return the classroom's `nbgrader_config.py`."""
    longest = max((it.cpu_s for it in wanted), default=0)
    return _CONFIG.format(
        course_id=course_id,
        begin_solution=lesson_text.BEGIN_SOLUTION,
        end_solution=lesson_text.END_SOLUTION,
        stub=lesson_text.CODE_STUB,
        begin_hidden=lesson_text.BEGIN_HIDDEN,
        end_hidden=lesson_text.END_HIDDEN,
        timeout_s=max(SHORTEST_TIMEOUT_S, int(longest)),
    )


def readme_text(title: str, names: Sequence[str]) -> str:
    """Return the instructor's README of a classroom with these assignments."""
    rows = "\n".join(f"| `{it}` | `release/{it}/{it}.ipynb` |" for it in names)
    return _README.format(title=title, rows=rows, first=names[0])
