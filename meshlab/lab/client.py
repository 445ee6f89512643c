"""How the lab talks to its own parts: short HTTP requests over loopback, past any proxy."""

from __future__ import annotations

from typing import Any

import requests

from meshlab.errors import LabError

__all__ = ["Client"]

_TIMEOUT_S = 5.0


class Client:
    """Requests to the processes of a lab."""

    def __init__(self) -> None:
        self._session = requests.Session()
        # A proxy of the environment has no business between the lab and its own loopback addresses.
        self._session.trust_env = False

    def ready(self, url: str) -> bool:
        """Whether a URL answers with 200; a part that does not listen yet is simply not ready."""
        try:
            return self._session.get(url, timeout=_TIMEOUT_S).status_code == 200
        except requests.RequestException:
            return False

    def text(self, url: str) -> str:
        """Body of a GET."""
        return self._request("GET", url).text

    def json(self, url: str, **parameters: str) -> dict[str, Any]:
        """JSON object of a GET."""
        return dict(self._request("GET", url, params=parameters).json())

    def post(self, url: str, body: object = None, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """JSON object of a POST of JSON."""
        return dict(self._request("POST", url, timeout=timeout_s, json=body).json())

    def put(self, url: str, body: object) -> dict[str, Any]:
        """JSON object of a PUT of JSON."""
        return dict(self._request("PUT", url, json=body).json())

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _request(self, method: str, url: str, timeout: float = _TIMEOUT_S, **options: Any) -> requests.Response:
        try:
            answer = self._session.request(method, url, timeout=timeout, **options)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise LabError(f"a part of the lab at {url} did not answer: {type(error).__name__}", "try again") from error
        return answer
