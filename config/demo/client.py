"""The platform's HTTP API in the demo's hands: one sentence when it refuses, patience when it restarts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

_TRIES = 5


class ApiError(Exception):
    """The platform answered with a refusal, or not at all. The message is one sentence."""


class Client:
    """One person's token and the addresses below `/api/v1/`."""

    def __init__(self, site: str, token: str) -> None:
        self.site, self.token = site, token
        # trust_env off: a proxy must not be asked for the machine's own address.
        self._http = httpx.Client(
            base_url=f"{site}api/v1/",
            headers={"Authorization": f"Token {token}"},
            timeout=120.0,
            trust_env=False,
        )

    @classmethod
    def sign_in(cls, site: str, username: str, password: str) -> Client:
        """A client with a new token of that person. Raises ApiError when the password is not right."""
        with httpx.Client(base_url=f"{site}api/v1/", timeout=60.0, trust_env=False) as http:
            answer = http.post("auth/token/", auth=(username, password))
        return cls(site, str(_body(answer)["token"]))

    def get(self, address: str, **query: Any) -> Any:
        """The JSON at an address. Asked again when the connection breaks: reading twice does no harm."""
        for attempt in range(_TRIES):
            try:
                return _body(self._http.get(address, params=query))
            except httpx.TransportError as error:
                if attempt + 1 == _TRIES:
                    raise ApiError(f"{self.site} does not answer: {error}") from error
                time.sleep(0.5 * 2**attempt)
        raise AssertionError  # the loop returns or raises

    def all(self, address: str, **query: Any) -> list[Any]:
        """Every row of a list, whether it comes in pages or whole."""
        answer = self.get(address, limit=1000, offset=0, **query)
        if isinstance(answer, list):
            return answer
        rows: list[Any] = answer["results"]
        while answer["next"] and answer["results"]:
            answer = self.get(address, limit=1000, offset=len(rows), **query)
            rows += answer["results"]
        return rows

    def post(self, address: str, body: dict[str, Any] | None = None, *, key: str = "") -> Any:
        """Post JSON; with `key`, as often as needed for one effect. Nothing (204) comes back as None."""
        headers = {"Idempotency-Key": key} if key else {}
        return _body(self._sent("POST", address, json=body or {}, headers=headers))

    def put(self, address: str, body: dict[str, Any]) -> Any:
        """Put JSON."""
        return _body(self._sent("PUT", address, json=body))

    def upload(self, address: str, path: Path, **fields: str) -> Any:
        """Post a file with form fields."""
        with path.open("rb") as stream:
            return _body(self._sent("POST", address, files={"file": (path.name, stream)}, data=fields))

    def _sent(self, method: str, address: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, address, **content)
        except httpx.TransportError as error:
            raise ApiError(f"{self.site} does not answer: {error}") from error


def _body(answer: httpx.Response) -> Any:
    if answer.status_code == httpx.codes.NO_CONTENT:
        return None
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success and body is not None:
        return body
    detail = body.get("detail") if isinstance(body, dict) else None
    raise ApiError(str(detail or body or f"{answer.request.url.path} answered {answer.status_code}."))
