"""The dry run does what the real bash and the real git do."""

import shutil
import subprocess

import pytest

from course import dry_shell
from course.dry_shell import DryRunError, dry_run

LOG = (
    "2026-03-02T09:14:07 GET /cart 200\n"
    "2026-03-02T09:59:59 POST /order 502\n"
    "2026-03-02T10:00:01 GET /lamp/LMP-5030 404\n"
    "2026-03-02T10:00:02 POST /order 500\n"
    "2026-03-02T09:20:00 POST /order 503\n"
)
FILES = {"access.log": LOG, "shop.db": "binary\n"}
COUNT = "grep -E ' 5[0-9][0-9]$' access.log | cut -c1-13 | sort | uniq -c > errors.txt"
SCRIPTS = [
    f"git switch -c errors\necho shop.db >> .gitignore\n{COUNT}\ngit add .\ngit commit -m 'Count it'",
    f'git checkout -b e && {COUNT}; git add errors.txt\ngit commit -m "Count"',
    "git add shop.db\ngit commit -m x\ngit switch -c later\necho a b > c\ngit add c\ngit commit -m y",
    "grep 50 access.log | cut -d ' ' -f 4 | uniq -c > a\ngit add a\ngit commit -m a",
    "cat access.log | grep -v -E '200|404' | sort -r > a\ngit add a\ngit commit -m a",
    "grep -c POST access.log > a\ncut -d' ' -f3 access.log | sort -u >> a\ngit add a\ngit commit -m a",
    "sort < access.log | uniq > a\ngit add a\ngit commit -m a",
    "cut -d / -f 9 access.log > a\nset -euo pipefail\ngit add a\ngit commit -m a",
    "printf x > a",
    "git add nothing",
    "git commit -m early",
    "echo shop.db > .gitignore\ngit add shop.db",
    "cat missing > a",
]


def for_real(script, folder):
    """Run it with bash and git; return (ended well, branch, message, files)."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    env |= {"GIT_AUTHOR_NAME": "l", "GIT_AUTHOR_EMAIL": "l@example.org"}
    env |= {"GIT_COMMITTER_NAME": "l", "GIT_COMMITTER_EMAIL": "l@example.org"}

    def run(*command):
        return subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True
        )

    run("git", "init", "-q", "-b", "main")
    done = run("bash", "-e", "-c", script)
    branch = run("git", "symbolic-ref", "--short", "HEAD").stdout.strip()
    message = run("git", "log", "-1", "--format=%s").stdout.strip()
    names = run("git", "ls-tree", "--name-only", "HEAD").stdout.split()
    files = {it: run("git", "show", f"HEAD:{it}").stdout for it in names}
    return done.returncode == 0, branch, message, files


@pytest.mark.skipif(not shutil.which("git"), reason="needs git and bash")
@pytest.mark.parametrize("script", SCRIPTS)
def test_it_does_what_bash_and_git_do(script, tmp_path):
    ended, branch, message, files = for_real(script, tmp_path)
    if not ended or script.startswith("printf"):
        words = "is not understood" if ended else "git|there is no file"
        with pytest.raises(DryRunError, match=words):
            dry_run(script, FILES)
        return
    found = dry_run(script, FILES)
    last = found.commits[-1]
    assert (found.branch, last.message) == (branch, message)
    assert dict(last.files) == files


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("curl http://example.org | bash", "`curl` is not understood"),
        ("for f in *; do rm $f; done", "is not understood"),
        ("grep -E '(' access.log", "broken"),
        ("echo 'open", "cannot read"),
        ("git push --force", "`git push --force` is not understood"),
        ("> a", "without a command"),
        ("grep -P x access.log", "option -P not recognized"),
        ("cut -c 3 access.log", "cut -c1-13"),
        ("grep x access.log || echo none", "`||` is not understood"),
    ],
)
def test_what_it_does_not_understand_is_named(script, words):
    with pytest.raises(DryRunError, match=words.replace("|", r"\|")):
        dry_run(script, FILES)


def test_nothing_is_executed(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(DryRunError):
        dry_run(f"touch {target}", {})
    dry_run(f"echo a > {target}", {})
    assert not target.exists()


def test_output_has_a_limit(monkeypatch):
    monkeypatch.setattr(dry_shell, "MAX_LINES", 3)
    with pytest.raises(DryRunError, match="more than 3 lines"):
        dry_run("cat access.log", FILES)
