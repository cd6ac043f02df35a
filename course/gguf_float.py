"""Writes a float16 copy of a quantised GGUF file, for llama.cpp to serve.

llama.cpp computes with 4-bit weights in another arithmetic than this process does
with the same weights unpacked; a small model's greedy texts then differ in about
half of the cases, and from the float16 copy in about one of six
(docs/decisions/0002-serve-engine.md has the count).
"""

from pathlib import Path

import numpy as np

# Said anew by the writer, or no longer true of the copy.
_WRITTEN = {"general.architecture", "general.file_type", "general.quantization_version"}


def float16_copy(source: Path, target: Path) -> Path:
    """Return `target`, a float16 copy of `source`; made if absent or older.

    About eight seconds for a file of 100 MB, once; 2.8 times its size.
    """
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    partial = target.with_suffix(".part")
    try:
        _write(source, partial)
        partial.replace(target)  # whole or not at all
    finally:
        partial.unlink(missing_ok=True)
    return target


def _write(source: Path, target: Path) -> None:
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for field in reader.fields.values():
        if field.name in _WRITTEN or field.name.startswith("GGUF."):
            continue
        kind, *inner = field.types
        element = inner[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=element)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        # llama.cpp wants vectors (the norms' weights) in float32.
        kind16 = np.float16 if values.ndim > 1 else np.float32
        writer.add_tensor(tensor.name, values.astype(kind16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
