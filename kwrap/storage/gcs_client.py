"""The connection to Google Cloud Storage: as whom, and over how many connections."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

CONNECTIONS = 20  # at once: 16 of a batch, and some for whatever else goes on


def make_client(parameters: dict[str, str], look_at: Callable[[int, Mapping[str, str]], None]) -> Any:
    """A client that any thread may use; `look_at` gets the status and the head of every answer.

    Raises google.auth's errors, and ValueError and OSError for what is no file of credentials.
    """
    # Where there is no metadata server, three seconds are waited three times for it.
    os.environ.setdefault("GCE_METADATA_TIMEOUT", "1")
    from google.cloud.storage import Client
    from requests.adapters import HTTPAdapter

    client: Any = Client(project=parameters.get("project"))
    session = client._http
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))

    def notice(answer: Any, *_: Any, **__: Any) -> None:
        look_at(answer.status_code, answer.headers)

    session.hooks["response"].append(notice)
    return client
