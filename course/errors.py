"""Every exception that Crossroads raises on purpose, in one tree.

    CrossroadsError
    ├── LessonError          a lesson's text breaks the lesson format
    ├── AssetError           a model or a data set
    │   ├── AssetMissing     it is not in the cache yet
    │   ├── AssetUnavailable it could not be downloaded (offline, not found, ...)
    │   └── AssetCorrupt     its bytes are not those of the manifest
    ├── ModelError           a chat model
    │   ├── ModelRefused     the server refused the request (4xx): do not retry
    │   └── ModelUnavailable no answer: time-out, or 429/5xx after all retries
    ├── ServerError          `course serve` cannot start or stop its server
    ├── SandboxError         untrusted code cannot be run safely on this machine
    ├── ShopError            the shop's tools cannot do what was asked, and say why
    ├── ClassroomError       a classroom folder cannot be made or graded
    └── CheckFailed          an exercise's check found a mistake (also AssertionError)

Messages give the value, the rule and the remedy.
"""


class CrossroadsError(Exception):
    """Base class: catch this to catch everything that Crossroads raises."""


class LessonError(CrossroadsError):
    """A lesson's text breaks the lesson format."""

    def __init__(self, path: object, line: int, rule: str, remedy: str) -> None:
        """Name the file, the line (1-based), the rule that it breaks, the remedy."""
        self.path, self.line, self.rule, self.remedy = path, line, rule, remedy
        super().__init__(f"{path}:{line}: {rule}. {remedy}")


class AssetError(CrossroadsError):
    """A model or a data set cannot be used."""


class AssetMissing(AssetError):
    """The asset is not in the cache: `course fetch` gets it."""


class AssetUnavailable(AssetError):
    """The asset could not be downloaded."""


class AssetCorrupt(AssetError):
    """The asset's bytes are not those that the manifest names."""


class ModelError(CrossroadsError):
    """A chat model cannot answer."""


class ModelRefused(ModelError):
    """The server refused the request (a 4xx status): asking again is no use."""


class ModelUnavailable(ModelError):
    """No answer: a time-out, no connection, or 429/5xx after all retries."""


class ServerError(CrossroadsError):
    """The local model server cannot be started or stopped."""


class ShopError(CrossroadsError):
    """The shop cannot do what was asked; the message may be shown to a customer."""


class SandboxError(CrossroadsError):
    """Untrusted code cannot be run safely here; the message says what to install."""


class ClassroomError(CrossroadsError):
    """A classroom folder cannot be made, read or graded."""


class CheckFailed(CrossroadsError, AssertionError):
    """An exercise's check found a mistake; the message names it.

    `is_on_card`: the exercise card shows the message already.
    """

    is_on_card = False

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines instead of a traceback."""
        if self.is_on_card:
            return ["Not right yet: the card above says why."]
        return [str(self)]
