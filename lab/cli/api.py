"""The REST API of a lab, as commands use it: JSON in and out, refusals as `Failed` with the lab's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from jobs.terminal import plain_text, problem_lines
from lab.cli.failing import INVALID, Failed, Unreachable
from lab.cli.settings import Access

JsonObject = dict[str, Any]
TIMEOUT = httpx.Timeout(60.0, connect=15.0)
PATIENCE = 120.0
"""Seconds for which a lab that does not answer is asked again: long enough for a restart."""
AGAIN = 2.0
"""Seconds between two such attempts."""
PASSING = (502, 503, 504)
"""What proxies answer while the lab restarts."""


class Api:
    """A lab. Use it as a context manager."""

    def __init__(
        self,
        access: Access,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = access.url
        self._sleep, self._clock = sleep, clock
        self._answered = False
        headers = {"Accept": "*/*", "User-Agent": "labbook"}
        if access.token:
            headers["Authorization"] = f"Token {access.token}"
        self._client = httpx.Client(
            base_url=f"{access.url}/api/v1/", headers=headers, timeout=TIMEOUT, transport=transport
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Return what the lab answers, as JSON."""
        return self._json(self.ask("GET", path, parameters))

    def post(
        self, path: str, content: str = "", *, source: str = "", key: str = "", **parameters: Any
    ) -> Any:
        """Send a text. With a `key` it is sent again until an answer comes: it is done once all the same."""
        headers = {"Content-Type": "text/plain; charset=utf-8"} | ({"Idempotency-Key": key} if key else {})
        ask = self.patiently if key else self.ask
        return self._json(ask("POST", path, parameters, content=content, headers=headers, source=source))

    def put(self, path: str, content: str) -> Any:
        """Have something be as a text says; returns what the lab answers, as JSON."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return self._json(self.ask("PUT", path, content=content, headers=headers))

    def delete(self, path: str) -> Any:
        """Have something undone; returns what the lab answers, as JSON."""
        return self._json(self.ask("DELETE", path))

    def pages(self, path: str, rows: str, **parameters: Any) -> Iterator[JsonObject]:
        """Yield the rows of a list, page by page."""
        while True:
            page = self.get(path, **parameters)
            yield from page[rows]
            if page["next"] is None:
                return
            # Only what it asks for: the token goes to no address that an answer names.
            parameters = dict(parse_qsl(urlsplit(page["next"]).query))

    def patiently(self, *arguments: Any, **options: Any) -> httpx.Response:
        """Ask, and again while the lab does not answer. For what may be asked twice.

        A lab that never was there is not waited for.
        """
        until = self._clock() + PATIENCE
        while True:
            try:
                return self.ask(*arguments, **options)
            except Unreachable as error:
                nobody = isinstance(error.__cause__, httpx.ConnectError) and not self._answered
                if nobody or self._clock() > until:
                    raise
            self._sleep(AGAIN)

    def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        content: str = "",
        headers: Mapping[str, str] | None = None,
        source: str = "",
    ) -> httpx.Response:
        """Return a good answer. Raises `Failed`; `source` is the file that its words are about."""
        given = {name: value for name, value in (parameters or {}).items() if value not in (None, "")}
        try:
            answer = self._client.request(
                method, path, params=given, content=content.encode() or None, headers=headers
            )
        except httpx.HTTPError as error:
            raise Unreachable(
                f"{self.url} cannot be reached: {error}. Is that the lab's address (LABBOOK_URL)?"
            ) from error
        self._answered = True
        if answer.status_code in PASSING:
            raise Unreachable(f"{self.url} does not work just now: {answer.status_code}.")
        if not answer.is_success:
            raise self._refused(answer, source)
        return answer

    def _json(self, answer: httpx.Response) -> Any:
        if answer.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise Failed(f"{self.url} is no Labbook: {answer.url} answers no JSON (LABBOOK_URL).")
        return answer.json()

    def _refused(self, answer: httpx.Response, source: str) -> Failed:
        try:
            said = answer.json()
            detail, problems = plain_text(str(said["detail"])), said.get("problems", [])
        except (ValueError, TypeError, KeyError):
            words = f"{answer.status_code} {answer.reason_phrase}"
            return Failed(f"{self.url} answers {words}: is that the lab's address (LABBOOK_URL)?")
        if said.get("type") == "urn:labbook:problem:invalid-definition":
            return Failed(problem_lines(problems, source), INVALID)
        if answer.status_code == 401:
            detail += f" Make one on {self.url}/profile/ and put it into LABBOOK_TOKEN."
        return Failed(detail)
