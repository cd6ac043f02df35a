"""The IPython shell that runs a student's cells: magics and displays, no processes."""

import io
import re
from typing import Any

MAX_OUTPUT = 4 << 20  # characters of a cell's displays
_IPYTHONS = re.compile(r"[%!?]|^\s*[,;/]", re.MULTILINE)  # magics, help, shell, calls


def make_shell(*, figures: bool = False) -> Any:
    """Return this process's shell; the first call makes it.

    Args:
        figures: draw figures into the outputs, as a notebook does; costs 0.1 s each.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    if InteractiveShell.initialized():
        return InteractiveShell.instance()
    config = Config()
    config.HistoryManager.enabled = False  # no thread, no file
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autoindent = False
    shell = _shell_class().instance(config=config)
    shell.input_transformer_manager = _transformer_class()()
    shell.sink = []
    shell.cell_id = "cell"
    shell.show_banner = lambda *_: None
    if figures:
        shell.run_line_magic("matplotlib", "inline")
    return shell


def _shell_class() -> Any:
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.interactiveshell import InteractiveShell

    class Compiler(CachingCompiler):
        def get_code_name(self, *_: object) -> str:
            return f"<cell {InteractiveShell.instance().cell_id}>"

    publisher, hook = _display_classes()

    class Shell(InteractiveShell):
        display_pub_class = publisher
        displayhook_class = hook
        compiler_class = Compiler

        def should_run_async(self, raw_cell: str, **more: Any) -> bool:
            """Say so without compiling the cell where neither word is in it."""
            is_candidate = "await" in raw_cell or "async" in raw_cell
            return is_candidate and super().should_run_async(raw_cell, **more)

        def enable_gui(self, gui: object = None) -> None:
            """There is no screen."""

        def _showtraceback(self, kind: type, value: object, lines: Any) -> None:
            try:
                text = str(value)[:2000]
            except Exception:  # noqa: BLE001 - a student's __str__
                text = ""
            lines = [str(it)[:8000] for it in list(lines)[:50]]
            error = {"ename": kind.__name__, "evalue": text, "traceback": lines}
            self.sink.append(("error", error))

        def system(self, _: str) -> None:
            raise PermissionError("shell commands do not run while grading")

        system_piped = system_raw = getoutput = system

    return Shell


def _transformer_class() -> Any:
    from IPython.core.inputtransformer2 import TransformerManager

    class Transformer(TransformerManager):
        def __init__(self) -> None:
            super().__init__()
            self._own = list(self.token_transformers)

        def do_token_transforms(self, lines: list[str]) -> Any:
            """Read the tokens only of a cell with signs that IPython goes by."""
            is_plain = self.token_transformers == self._own
            if is_plain and not _IPYTHONS.search("".join(lines)):
                return lines
            return super().do_token_transforms(lines)

    return Transformer


def _display_classes() -> tuple[Any, Any]:
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher

    class Publisher(DisplayPublisher):
        def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
            self.shell.sink.append(("display_data", data))

        def clear_output(self, wait: bool = False) -> None:
            """Keep all: there is no screen."""

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            """Print nothing."""

        def write_format_data(self, data: dict[str, Any], *_: object) -> None:
            self.shell.sink.append(("execute_result", data))

        def finish_displayhook(self) -> None:
            """Print nothing."""

    return Publisher, Hook


def outputs_of(
    out: str, err: str, sink: list[tuple[str, dict[str, Any]]]
) -> list[dict[str, object]]:
    """Return a cell's outputs in nbformat's form, at most `MAX_OUTPUT` characters."""
    streams = (("stdout", out), ("stderr", err))
    found: list[dict[str, object]] = [
        {"output_type": "stream", "name": name, "text": text}
        for name, text in streams
        if text
    ]
    total = 0
    for kind, data in sink:
        if kind == "error":
            found.append({"output_type": "error", **data})
            continue
        plain = {
            str(mime)[:80]: it if isinstance(it, str) else str(it)
            for mime, it in data.items()
        }
        total += sum(map(len, plain.values()))
        if total > MAX_OUTPUT:
            text = f"[displays beyond {MAX_OUTPUT} characters are dropped]\n"
            found.append({"output_type": "stream", "name": "stderr", "text": text})
            break
        output: dict[str, object] = {"output_type": kind, "data": plain, "metadata": {}}
        found.append(output | ({"execution_count": None} if kind[0] == "e" else {}))
    return found


class Output(io.TextIOBase):
    """A text stream that keeps so many characters and counts the rest."""

    def __init__(self, name: str, limit: int) -> None:
        """Name it as `sys.stdout` is, and say how much it keeps."""
        self.name, self.limit = name, limit
        self._kept: list[str] = []
        self._size = self._lost = 0

    encoding = "utf-8"

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, text: str) -> int:
        """Keep the text, up to the limit."""
        if not self._size and not text:
            return 0
        kept = str(text)[: max(self.limit - self._size, 0)]
        if kept:
            self._kept.append(kept)
            self._size += len(kept)
        self._lost += len(text) - len(kept)
        return len(text)

    def take(self) -> str:
        """Return what was written since the last call."""
        if not self._kept:
            return ""
        text = "".join(self._kept)
        if self._lost:
            text += f"\n[{self._lost} more characters were dropped]\n"
        self._kept, self._size, self._lost = [], 0, 0
        return text
