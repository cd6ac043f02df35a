"""What a student's code can and cannot do in its sandbox, in both modes."""

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest
from engine_tools import ROOT, as_user, gone, said, tried

from autograder import bubblewrap, kernel, limits, probe, seccomp, wire, zygote
from autograder.bubblewrap import Kind
from autograder.probe import Mode
from autograder.sandbox import Setting, running
from course.errors import SandboxError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is Linux")


def hello(**more):
    return running(Kind.STUDENT, Setting(runtime=""), **more)


def test_libraries_work_after_the_fork(engine):
    source = """
import numpy as np, matplotlib.pyplot as plt
a = np.arange(6.0).reshape(2, 3)
print(np.linalg.svd(a @ a.T)[1].sum().round(3))
figure, axes = plt.subplots(); axes.plot([1, 2]); figure.savefig("plot.png")
import os; print(os.path.getsize("plot.png") > 1000)
"""
    assert said(engine, source).split() == ["55.0", "True"]


def test_there_is_no_network(engine):
    errors = tried(
        engine,
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.create_connection(('127.0.0.1', 22))",
        "socket.getaddrinfo('localhost.example', 80)",
    )
    assert errors == ["PermissionError"] * 4 + ["gaierror"]


def test_children_cannot_meet_at_a_socket_with_a_name(engine):
    errors = tried(
        engine,
        "socket.socket(socket.AF_UNIX).bind('\\0meet')",
        "socket.socket(socket.AF_UNIX).connect('\\0meet')",
        "a, b = socket.socketpair(); a.send(b'a')",
    )
    assert errors == ["PermissionError", "PermissionError", "done"]


def test_neither_homes_nor_the_repository_nor_lessons_can_be_seen(engine):
    """But for the folders on the way to the interpreter, wherever that lies."""
    seen = [*bubblewrap.view(Kind.STUDENT, ()).binds]
    source = f"""
import os
from pathlib import Path
def leads(place): return any(Path(it).is_relative_to(place) for it in {seen!r})
def names(place):
    try: return sorted(os.listdir(place))
    except FileNotFoundError: return []
def others(top): return [it for it in names(top) if not leads(f"{{top}}/{{it}}")]
print([others(it) for it in ("/opt/grader/course/lessons", "/home", "/srv", "/var", "/run")])
print([it for it in names({str(ROOT)!r}) if it != ".venv"])
print(os.path.exists({str(Path.home() / ".bashrc")!r}))
print(*sorted(it.name for it in Path("/opt/grader/autograder").iterdir()))
found = [it for top in ("/opt", "/etc", "/tmp", "/sandbox", "/dev/shm")
         for it in Path(top).rglob("*") if "hidden" in it.name.lower()]
print(found)
"""
    lines = said(engine, source).splitlines()
    assert lines[:3] == ["[[], [], [], [], []]", "[]", "False"]
    files = {f"{it}.py" for it in (*wire.STUDENT_SIDE, *bubblewrap.INSIDE)}
    assert set(lines[3].split()) - {"__pycache__"} == files
    assert lines[4] == "[]"


def test_an_installed_package_is_hidden_as_well(engine):
    source = """
import autograder, course, importlib.util
print(autograder.__file__, course.__file__)
print([importlib.util.find_spec(f"autograder.{it}") for it in ("referee", "engine", "verdicts")])
"""
    first, second = said(engine, source).splitlines()
    assert all(it.startswith(bubblewrap.GRADER) for it in first.split())
    assert second == "[None, None, None]"


def test_nothing_can_be_written_but_in_its_own_folders(engine):
    places = ["/x", "/opt/x", "/opt/grader/x.py", "/opt/grader/autograder/x.py"]
    places += ["/opt/grader/course/x.py", "/opt/grader/course/lessons/x.py", "/usr/x"]
    places += ["/etc/x", "/dev/x", f"{sys.prefix}/x", f"{sys.base_prefix}/x"]
    places += ["/proc/sys/kernel/hostname", "/opt/grader/autograder/student.py"]
    errors = tried(engine, *[f"open({it!r}, 'w').write('x')" for it in places])
    assert set(errors) <= {"OSError", "PermissionError", "FileNotFoundError"}
    allowed = [f"open('{it}/x', 'w').write('x')" for it in zygote.PRIVATE]
    assert tried(engine, *allowed) == ["done"] * 3


def test_nothing_stays_for_the_next_child(engine):
    leave = """
import os
for top in ("/tmp", "/sandbox", "/dev/shm"):
    os.makedirs(f"{top}/deep/" + "/".join("abc" * 20))
    open(f"{top}/.hidden", "w").write("the answers")
    os.symlink("/etc", f"{top}/link")
    os.chmod(f"{top}/deep/a", 0)
    os.chmod(f"{top}/deep", 0)
os.chdir("/tmp")
for _ in range(1500):
    os.mkdir("d"); os.chdir("d")
"""
    said(engine, leave)
    source = (
        "import os; print([os.listdir(it) for it in ('/tmp', '/sandbox', '/dev/shm')])"
    )
    assert said(engine, source) == "[[], [], []]\n"


def test_children_have_random_numbers_of_their_own(engine):
    source = "import random, secrets\nprint(random.random(), secrets.token_hex())"
    first, second = said(engine, source).split(), said(engine, source).split()
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_no_process_can_be_started(engine):
    errors = tried(
        engine,
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "subprocess.run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "import multiprocessing; multiprocessing.Process(target=print).start()",
    )
    assert errors == ["PermissionError"] * 5
    assert "PermissionError" not in tried(
        engine, "threading.Thread(target=int).start()"
    )


def test_the_kernel_s_back_doors_are_shut(engine):
    source = """
import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def tell(result):
    print(result, errno.errorcode.get(ctypes.get_errno()))
tell(libc.unshare(0x10000000))
tell(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
tell(libc.ptrace(16, 1, 0, 0))
tell(libc.syscall(425, 8, 0))           # io_uring_setup
tell(libc.memfd_create(b"x", 0))
tell(libc.setns(0, 0))
tell(libc.shmget(0, 4096, 0o600))
status = dict(it.split(":\\t", 1) for it in open("/proc/self/status").read().splitlines() if ":\\t" in it)
print(int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"])
"""
    lines = said(engine, source).splitlines()
    assert lines[:-1] == ["-1 EPERM"] * 7
    caps, bounding, privileges, filtered = lines[-1].split()
    assert (caps, privileges, filtered) == ("0", "1", "2")
    assert bounding == "0"


def test_other_processes_cannot_be_touched(engine, mode):
    if mode is Mode.NESTED:
        pids = said(
            engine,
            "import os; print(*[it for it in os.listdir('/proc') if it.isdigit()])",
        )
        assert pids.split() == ["1"]  # itself
        return
    errors = tried(
        engine,
        "os.kill(1, 9)",
        "os.kill(os.getppid(), 15)",
        "os.kill(-1, 15)",
        "open('/proc/1/mem', 'rb')",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
        "os.listdir('/proc/1/fd')",
        "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))",
        "import fcntl; fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETOWN, 1)",
        "os.setpriority(os.PRIO_PROCESS, 1, 19)",
    )
    assert errors == ["PermissionError"] * 9
    assert tried(engine, "os.kill(os.getpid(), 0)") == ["done"]


def test_memory_disk_threads_and_files_have_limits(engine):
    errors = tried(
        engine,
        "bytearray(2 << 30)",
        "import numpy; numpy.ones(1 << 28)",
        "import mmap; mmap.mmap(-1, 2 << 30)",
        "open('/tmp/a', 'wb').write(bytes(70 << 20))",
        "[open('/dev/null') for _ in range(300)]",
        "import time; [threading.Thread(target=time.sleep, args=(1,)).start() for _ in range(99)]",
    )
    assert errors == ["MemoryError"] * 2 + ["OSError"] * 3 + ["RuntimeError"]


def test_a_child_s_environment_holds_nothing_of_ours(engine):
    names = said(engine, "import os; print(*sorted(os.environ))").split()
    known = {*bubblewrap.variables(Kind.STUDENT), "PWD", "LC_CTYPE"}
    assert set(names) - known <= {
        "MPLBACKEND",
        "COLUMNS",
        "LINES",
        "KMP_DUPLICATE_LIB_OK",
    }


def test_the_cpu_limit_holds_though_signals_are_ignored():
    ours, theirs = socket.socketpair()
    setting = Setting(runtime="autograder.student")
    with ours, theirs, running(Kind.STUDENT, setting) as box:
        child = box.fork(theirs, limits.Limits(cpu_s=2)).started()
        theirs.close()
        codec = wire.Codec(None)
        source = "import signal\nfor it in (14, 24): signal.signal(it, signal.SIG_IGN)\nwhile True: pass"
        wire.send(ours, codec, [1, 60.0, "run", source, "c"])
        ended = child.wait(30)
        assert ended.text == "killed by SIGKILL"
        assert 0.9 < ended.cpu_s < 5


THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""


@pytest.mark.parametrize("nested", [True, False])
def test_a_thread_that_a_library_starts_does_not_stop_the_zygote(nested):
    setting = Setting(runtime="autograder.student", warm=(THREAD,))
    with running(Kind.STUDENT, setting, nested=nested) as box:
        assert box.ready["threads"] == 2
        for _ in range(2):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                child = box.fork(theirs, limits.STUDENT).started()
                status = Path(f"/proc/{child.pid}/status").read_text()
                child.kill()
                assert child.wait().text == "killed by SIGKILL"
            assert "Threads:\t1" in status
        pid = box.pid
    assert gone([pid])


def test_no_process_but_the_zygote_may_make_namespaces():
    with running(Kind.STUDENT, Setting(runtime="autograder.student")) as box:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = box.fork(theirs, limits.STUDENT).started()
            outer = psutil.Process(box.pid)
            held = {
                it.pid: capabilities(it.pid) for it in outer.children(recursive=True)
            }
            assert held.pop(child.pid) == 0
            child.kill()
            child.wait()
    assert set(held.values()) <= {0, 1 << kernel.CAP_SYS_ADMIN}


def capabilities(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(it.split()[1], 16) for it in lines if it.startswith("CapEff:"))


def test_a_child_that_cannot_be_confined_is_told_and_the_next_one_is_made():
    with running(Kind.STUDENT, Setting(runtime="autograder.student")) as box:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            impossible = limits.Limits(tmp_mb=-1)
            with pytest.raises(
                SandboxError, match=r"no child could be made.*mount /tmp"
            ):
                box.fork(theirs, impossible).started()
            child = box.fork(theirs, limits.STUDENT).started()
            child.kill()
            assert child.wait().text == "killed by SIGKILL"


def test_no_process_is_left_after_close():
    with hello() as box:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = box.fork(theirs, limits.STUDENT).started()
            pids = [box.pid, *([child.pid] if child.pid else [])]
            child.kill()
            child.wait()
    assert gone(pids)


def test_it_ends_when_its_control_socket_closes():
    box = hello()
    pid = box.pid
    box._control.close()
    assert box._process.wait(10) == 0
    assert gone([pid])
    box.close()


def test_what_fails_at_the_start_is_told():
    setting = Setting(preload=("no_such_module",))
    with pytest.raises(SandboxError, match="no_such_module"):
        running(Kind.STUDENT, setting)


def test_a_dead_zygote_is_told():
    with hello() as box:
        box._process.kill()
        box._process.wait()
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(SandboxError, match="gone"):
            for _ in range(100):  # the kernel may let it make a few more
                child = box.fork(theirs, limits.STUDENT).started()
                child.kill()
                child.wait()


def test_without_bubblewrap_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        hello()
    found = probe.probe()
    assert found.mode is Mode.NONE
    with pytest.raises(SandboxError, match=r"not run here.*bubblewrap.*podman is not"):
        found.require()


@pytest.mark.parametrize(
    ("works", "engine_name", "mode"),
    [
        ({Mode.NESTED, Mode.FLAT}, "podman", Mode.NESTED),
        ({Mode.FLAT}, "podman", Mode.FLAT),
        (set(), "podman", Mode.CONTAINER),
        (set(), "", Mode.NONE),
    ],
)
def test_the_best_mode_that_works_is_chosen(works, engine_name, mode):
    found = probe.choose(
        lambda it: "" if it in works else "no", lambda: (engine_name, "none")
    )
    assert found.mode is mode
    if mode in (Mode.NESTED, Mode.FLAT):
        assert found.require() is mode
    else:
        with pytest.raises(SandboxError, match="nested: no; flat: no"):
            found.require()


def test_the_container_s_command_is_told():
    found = probe.choose(lambda _: "no", lambda: ("podman", ""))
    assert "podman run --rm" in found.remedy
    assert "--network none" in found.remedy
    assert found.reasons == ("nested: no", "flat: no")


def test_this_machine_is_probed():
    assert probe.probe().mode in (Mode.NESTED, Mode.FLAT)


def test_a_filter_is_made_for_one_process():
    flat = seccomp.compiled().flat
    assert flat != seccomp.for_pid(flat, 77)
    assert seccomp.for_pid(flat, seccomp.SELF) == flat


def test_a_python_below_tmp_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/tmp/venv")
    with pytest.raises(SandboxError, match="elsewhere"):
        bubblewrap.view(Kind.STUDENT, ())


ORDINARY = """
import os
from engine_tools import said, PRELOAD
from autograder.engine import Engine
from autograder.probe import Mode
from autograder.sandbox import Setting
assert os.geteuid() != 0
for mode in (Mode.NESTED, Mode.FLAT):
    with Engine(Setting(preload=PRELOAD[:2]), mode=mode) as engine:
        print(said(engine, "import numpy, os; print(numpy.ones(3).sum(), os.getuid(), os.listdir('/tmp'))").strip())
"""


@pytest.mark.skipif(not Path("/tmp").is_dir(), reason="needs /tmp")
def test_an_ordinary_user_has_both_modes(tmp_path):
    home = tmp_path / "someone"
    home.mkdir()
    done = as_user(ORDINARY, home)
    assert done.stdout.splitlines() == ["3.0 1000 []"] * 2, done.stderr[-3000:]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone drops its rights")
def test_root_becomes_somebody_else():
    with hello() as box:
        status = Path(f"/proc/{box.pid}/status").read_text()
        uids = next(it for it in status.splitlines() if it.startswith("Uid:")).split()[
            1:
        ]
        assert "0" not in uids
