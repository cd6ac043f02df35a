"""Sets the seeds of random generators: on both sides, in the same way.

Bound into the student's sandbox: uses the libraries that are loaded, and imports none.
"""

import random
import sys
from typing import Any


def seed_library(library: str, seed: int) -> None:
    """Seed a library's global generator; one that is not loaded is left alone.

    Args:
        library: "random", "numpy" or "torch".
        seed: what it begins with.
    """
    if library == "random":
        random.seed(seed)
    elif library == "numpy" and "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    elif library == "torch" and "torch" in sys.modules:
        seed_torch(seed)


def seed_torch(seed: Any) -> Any:
    """Do what `torch.manual_seed` does, and return what it returns.

    Without an accelerator that takes some milliseconds: it writes down the whole stack,
    with the source of each line, for a device that may come yet.
    """
    torch = sys.modules["torch"]
    if torch.accelerator.is_available():
        return torch.manual_seed(seed)
    return torch.default_generator.manual_seed(int(seed))
