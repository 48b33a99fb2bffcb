"""A lab with something to hide, and everybody who might look at it.

``alpha`` is a board for everybody; ``veiled`` is of the same open type, but known to the viewers only; the
type ``hushhush`` and its board ``hush`` are closed, each right to somebody else. Every hidden thing has one
of the `MARKS`: a word that no answer may hold for who may not know of the thing.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, Group, User

from devices import board_commands, sitting, type_commands
from devices.images import commands as library
from jobs import commands, console_log, saved_views
from jobs.domain.events import AttachmentKept, PhaseEnded
from jobs.domain.hands_events import ConsoleOpened
from jobs.files import Files
from jobs.hooks import commands as hooks
from jobs.recorder import Recorder
from lab.tokens.models import ApiToken, make_token
from tests.support.jobs import BOARD_CONFIG, definition, make_inventory, make_user, phase, result

PUBLIC, PRIVATE, SHARED, HIDDEN, WAITING, CLOSED_QUEUE = (
    "job public",
    "job private",
    "job shared",
    "job hidden",
    "job waiting",
    "job waiting for hush",
)
RUN = (PUBLIC, PRIVATE, SHARED, HIDDEN)
JOBS = (*RUN, WAITING, CLOSED_QUEUE)
HUSH, VEILED, CLOSED_TYPE = "board hush", "board veiled", "type hushhush"
HUSH_CONFIG, ALPHA_CONFIG, OPEN_TYPE_CONFIG, CLOSED_TYPE_CONFIG = (
    "config of hush",
    "config of alpha",
    "config of bench",
    "config of hushhush",
)
PLAIN = frozenset({PUBLIC, WAITING, "anything"})
"""What everybody may see who may read at all."""
BEHIND = frozenset({HUSH, VEILED, CLOSED_TYPE, HIDDEN, CLOSED_QUEUE})
CONFIGS = frozenset({HUSH_CONFIG, ALPHA_CONFIG, OPEN_TYPE_CONFIG, CLOSED_TYPE_CONFIG})
EVERYTHING = PLAIN | BEHIND | CONFIGS | {PRIVATE, SHARED}

MARKS = {
    "mark-private": PRIVATE,
    "mark-shared": SHARED,
    "mark-hidden": HIDDEN,
    "mark-closed-queue": CLOSED_QUEUE,
    "hushhush": CLOSED_TYPE,
    "hush": HUSH,
    "veiled": VEILED,
    "192.0.2.66": HUSH_CONFIG,
    "192.0.2.77": ALPHA_CONFIG,
    "mark-bench-setting": OPEN_TYPE_CONFIG,
    "user:zoe": HUSH_CONFIG,
    "user:yves": CLOSED_TYPE_CONFIG,
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of user: who it is, what it may know of, and what it may do."""

    name: str
    user: str = ""
    """The account; empty: a visitor."""
    token: str = ""
    """The scope of the token that a program shows; empty: a browser with a session."""
    reading: bool = True
    """Whether the lab lets visitors read."""
    knows: frozenset[str] = PLAIN
    may: frozenset[str] = frozenset()
    """Words of `table.py` for what is done."""
    admin: bool = False
    """Gets into the admin at all."""

    def __str__(self) -> str:
        return self.name


SUBMITTER = frozenset({"log in", "submit", "cancel own", "be erika"})
ERIKA = PLAIN | {PRIVATE, SHARED, HIDDEN, CLOSED_QUEUE, CLOSED_TYPE, HUSH}
LOGGED_IN = frozenset({"log in", "submit"})
ADA = PLAIN | {HUSH, CLOSED_TYPE, HIDDEN, CLOSED_QUEUE, HUSH_CONFIG}
KEEPER = LOGGED_IN | {
    "submit hush",
    "console hidden",
    "console hush",
    "handle hush",
    "cancel hidden",
    "administer hush",
}
"""Who administers hush by its list."""
ALL = KEEPER | {
    "cancel own",
    "console alpha",
    "handle alpha",
    "administer alpha",
    "administer types",
    "register",
    "upload",
}
HUSH_KNOWN = PLAIN | {HUSH, CLOSED_TYPE, HIDDEN, CLOSED_QUEUE}

KINDS = [
    Kind(name="a visitor"),
    Kind(name="a visitor where reading is off", reading=False, knows=frozenset()),
    Kind(name="somebody without rights", user="otto", may=LOGGED_IN),
    Kind(name="somebody without rights where reading is off", user="otto", reading=False, may=LOGGED_IN),
    Kind(name="somebody who is out", user="olga", knows=PLAIN),
    Kind(name="the submitter", user="erika", knows=ERIKA, may=SUBMITTER | {"submit hush", "cancel hidden"}),
    Kind(name="a member of the group", user="mia", knows=PLAIN | {SHARED}, may=LOGGED_IN),
    Kind(name="a viewer by group", user="vera", knows=PLAIN | BEHIND, may=LOGGED_IN),
    Kind(
        name="a holder of the console",
        user="kim",
        knows=HUSH_KNOWN,
        may=LOGGED_IN | {"console hidden", "console hush"},
    ),
    Kind(
        name="a handler by group",
        user="harry",
        knows=HUSH_KNOWN,
        may=LOGGED_IN | {"handle hush", "cancel hidden"},
    ),
    Kind(
        name="a board's administrator",
        user="ada",
        knows=ADA,
        may=KEEPER,
    ),
    Kind(
        name="a board's administrator among the staff",
        user="inge",
        knows=EVERYTHING - CONFIGS | {HUSH_CONFIG},
        may=KEEPER,
        admin=True,
    ),
    Kind(name="staff", user="steve", knows=EVERYTHING - CONFIGS, may=LOGGED_IN, admin=True),
    Kind(name="a superuser", user="root", knows=EVERYTHING, may=ALL, admin=True),
    Kind(name="a token to read", user="root", token="read", knows=EVERYTHING, may=ALL),
    Kind(name="a token to submit", user="root", token="submit", knows=EVERYTHING, may=ALL),
    Kind(name="a token to administer", user="root", token="admin", knows=EVERYTHING, may=ALL),
    Kind(
        name="a token for what is one's own",
        user="erika",
        token="read account",
        knows=ERIKA,
        may=SUBMITTER | {"submit hush", "cancel hidden"},
    ),
    Kind(name="a token of somebody without rights", user="otto", token="read submit admin", may=LOGGED_IN),
]


FLAGS: dict[str, dict[str, bool]] = {
    **{name: {} for name in ("erika", "otto", "mia", "vera", "kim", "harry", "ada", "zoe", "yves")},
    "olga": {"is_active": False},
    "inge": {"is_staff": True},
    "steve": {"is_staff": True},
    "root": {"is_staff": True, "is_superuser": True},
}
"""All accounts."""


class Scene:
    """The lab, with the numbers and names that addresses need."""

    def __init__(self) -> None:
        self.users = {name: make_user(name, **fields) for name, fields in FLAGS.items()}
        for group, member in {"team": "mia", "viewers": "vera", "handlers": "harry"}.items():
            self.users[member].groups.add(Group.objects.create(name=group))
        self._stock()
        self.jobs: dict[str, int] = {}
        self.attachments: dict[str, str] = {}
        self._run()
        self.hook = hooks.make_hook(self.users["erika"], name="hers", url="https://hook.test/")[0].pk
        self.message = hooks.send_test(self.users["erika"], self.hook).key
        saved_views.keep(self.users["erika"], "hers", {"q": "x"})
        library.upload_image("guest", [b"bytes"], filename="guest.img", actor="lab")

    def user(self, kind: Kind) -> User | AnonymousUser:
        return self.users[kind.user] if kind.user else AnonymousUser()

    def token(self, kind: Kind) -> str:
        ApiToken.objects.all().delete()
        return make_token(self.users[kind.user], "a program", scopes=kind.token.split())

    def _stock(self) -> None:
        make_inventory("spare")
        board_commands.retire_board("spare", "gone", actor="lab")
        described = {**BOARD_CONFIG, "ssh": {"user": "lab", "key_file": "/mark-bench-setting", "host": "h"}}
        type_commands.change_device_type("bench", config=described, actor="lab")
        veiled = {"view": ["group:viewers"]}
        board_commands.register_board("veiled", "bench", "default", [], "", {}, access=veiled, actor="lab")
        board_commands.take_board_offline("veiled", "dust", actor="lab")
        type_commands.register_device_type(
            "hushhush",
            "board",
            "",
            BOARD_CONFIG,
            access={"view": ["group:viewers"], "use": ["user:erika"], "handle": ["user:yves"]},
            actor="lab",
        )
        secret = {"ssh": {"host": "192.0.2.66", "user": "lab"}}
        lists = {
            "console": ["user:kim", "user:zoe"],
            "handle": ["group:handlers"],
            "administer": ["user:ada", "user:inge"],
        }
        board_commands.register_board(
            "hush", "hushhush", "default", [], "", secret, access=lists, actor="lab"
        )
        # What is open has a past with what is hidden.
        config = BOARD_CONFIG | {"ssh": {"host": "192.0.2.77", "user": "lab"}}
        board_commands.register_board(
            "alpha", "hushhush", "default", [], "", config, cloned_from="veiled", actor="lab"
        )
        board_commands.change_board("alpha", device_type="bench", actor="lab")
        for base in ("hushhush", ""):
            type_commands.change_device_type("bench", base=base, actor="lab")
        self.sittings = {name: self._sat(name) for name in ("alpha", "hush")}

    def _sat(self, board: str) -> int:
        errand = sitting.request(board, seconds=60, actor=self.users["root"], cause="test")
        board_commands.release_board(board, "enough", actor="lab")
        return errand

    def _run(self) -> None:
        self._ended(PUBLIC, definition("mark-public", board="alpha"))
        self._ended(PRIVATE, definition("mark-private", board="alpha", visibility="private"))
        self._ended(SHARED, definition("mark-shared", board="alpha", visibility=["team"]))
        self._started(HIDDEN, definition("mark-hidden", host_type="hushhush"))
        board_commands.take_board_offline("alpha", "for the test", actor="lab")
        self.jobs[WAITING] = self._submit(definition("mark-waiting"))
        self.jobs[CLOSED_QUEUE] = self._submit(definition("mark-closed-queue", host_type="hushhush"))

    def _submit(self, text: str) -> int:
        return commands.submit_job(text, user=self.users["erika"], cause="test")

    def _started(self, job: str, text: str) -> Recorder:
        number = self.jobs[job] = self._submit(text)
        assert [one.job for one in commands.schedule()] == [number]
        recorder = Recorder(number, commands.start_job(number, "worker-1"))
        mark = text.partition("mark-")[2].partition('"')[0]
        sha256, size = Files().keep(io.BytesIO(f"attachment of mark-{mark}".encode()))
        self.attachments[job] = sha256
        recorder.record(
            [
                phase(1, "boot", f"login mark-{mark}"),
                ConsoleOpened(node=1, at=1.5),
                PhaseEnded(node=1, at=2.0),
                result(f"case-mark-{mark}", measurement="1", units="s"),
                AttachmentKept(
                    node=1,
                    suite="smoke",
                    case="",
                    name=f"mark-{mark}",
                    mime="text/plain",
                    sha256=sha256,
                    size=size,
                    at=3.0,
                ),
            ]
        )
        console_log.append(number, [(0, f"the console says mark-{mark}\n".encode(), time.time())])
        return recorder

    def _ended(self, job: str, text: str) -> None:
        self._started(job, text).finish(outcome="complete")
