"""What `course serve` runs in processes of its own: a launcher, and llama.cpp.

    python -m course.serve_child launch LOG COMMAND ...   prints the command's pid
    python -m course.serve_child llamacpp MODEL.gguf NAME THREADS PORT

The launcher starts the server and ends at once, so the server is nobody's child:
it outlives the notebook that asked for it, is no zombie when another process
stops it, and Ctrl-C in a terminal does not reach it.
"""

import subprocess
import sys
import threading
from pathlib import Path


def launch(log: str, command: list[str]) -> int:
    """Start `command` in the background, its output into `log`; return its pid."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    with Path(log).open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=flags,
        )
    return process.pid


def llamacpp(gguf: str, name: str, n_threads: int, port: int) -> None:
    """Serve the model file with llama.cpp's own HTTP server until killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.model_alias = {name}  # else /v1/models shows the file's path
    params.hostnames = ["127.0.0.1"]  # this machine only
    params.port = port
    params.n_parallel = 1  # one learner: all of the context for one conversation
    params.n_gpu_layers = 0  # the same answers on every machine
    params.cache_prompt = False  # the same sums, so the same text, on each call
    params.offline = True
    params.ui = False
    params.verbosity = 1  # errors
    params.cpuparams.n_threads = n_threads
    params.cpuparams_batch.n_threads = n_threads
    server = xllamacpp.Server(params)
    sys.stdout.write(f"listening at {server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    match arguments:
        case ["launch", log, *command] if command:
            sys.stdout.write(f"{launch(log, command)}\n")
        case ["llamacpp", gguf, name, n_threads, port]:
            llamacpp(gguf, name, int(n_threads), int(port))
        case _:
            sys.exit(f"unknown arguments {arguments}: see the module's docstring")


if __name__ == "__main__":
    main(sys.argv[1:])
