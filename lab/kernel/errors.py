"""The tree of errors that Labbook raises on purpose; anything else is a bug.

LabError
├── Rejected               a command refused by a rule: HTTP 400 or 409, a sentence for the user
│   ├── NotPermitted       the actor may not do this: 403
│   └── NotFound           there is no such thing: 404
├── Conflict               somebody else wrote first: re-read and decide again
├── DefinitionError        a job definition with problems (see jobs.domain.definition)
└── JobError               what ends a running job; its class is the one users filter by
    ├── InfrastructureError    lab, board, network
    │   └── DeadlineExceeded   a wait ran out
    ├── DefinitionFault        the definition or an image is wrong (class "job")
    ├── TestFault              a test shell hung, crashed or was cut off (class "test")
    └── Canceled               somebody asked for it
"""

from __future__ import annotations


class LabError(Exception):
    """Base of all errors that are part of the interface."""


class Rejected(LabError):
    """A command that a rule refuses. The message says what was wrong and what to do."""


class NotPermitted(Rejected):
    """The actor may not do this."""


class NotFound(Rejected):
    """The named thing does not exist (or the actor may not know that it does)."""


class Conflict(LabError):
    """A stream was not at the expected version: somebody else appended first."""

    def __init__(self, stream: str, expected: int, actual: int | None = None) -> None:
        self.stream, self.expected, self.actual = stream, expected, actual
        found = "another version" if actual is None else f"version {actual}"
        super().__init__(f"{stream} is at {found}, not at version {expected}")


class DefinitionError(LabError):
    """A job definition that cannot be accepted; carries all of its problems."""


class JobError(LabError):
    """What ends a running job. `kind` is the error class shown to users."""

    kind = "bug"

    def __init__(self, message: str, *, node: int | None = None, action: str = "") -> None:
        super().__init__(message)
        self.node, self.action = node, action


class InfrastructureError(JobError):
    """The lab failed: board, network, storage, power."""

    kind = "infrastructure"


class DeadlineExceeded(InfrastructureError):
    """Something did not happen within the time it was given."""


class DefinitionFault(JobError):
    """What the job asked for cannot work: an image, a URL, a prompt, a test definition."""

    kind = "job"


class TestFault(JobError):
    """A test shell hung, crashed or was cut off."""

    __test__ = False  # not a test case, whatever pytest thinks of its name
    kind = "test"


class Canceled(JobError):
    """The job was cancelled by somebody."""

    kind = "canceled"
