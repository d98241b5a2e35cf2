"""The connection to an S3 server: which, as whom, and how long to wait. Botocore is imported here and in `s3*` alone.

Botocore without boto3's layer on top: that layer is not used, and would cost half as much again to import.
"""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore.config import Config
from botocore.handlers import add_expect_header
from botocore.loaders import Loader

from kwrap.storage.timeouts import Timeouts

CONNECTIONS = 20  # at once: 16 of a batch, and some for whatever else goes on


class _Loader(Loader):  # type: ignore[misc]  # botocore has no types
    """Knows by heart which services may be asked: finding all of AWS's 400 on disk took a quarter of the time."""

    def list_available_services(self, type_name: str) -> list[str]:
        return ["s3", "signin", "sso", "sso-oidc", "sts"]


def make_client(parameters: dict[str, str], timeouts: Timeouts) -> Any:
    """A client that any thread may use. Credentials and region as every AWS tool finds them."""
    session = botocore.session.Session(profile=parameters.get("profile"))
    session.register_component("data_loader", _Loader())
    config = Config(
        max_pool_connections=CONNECTIONS,
        connect_timeout=timeouts.connect_s,
        read_timeout=timeouts.answer_s,
        retries={"total_max_attempts": 1},  # ours are around everything, and know what may be repeated
        tcp_keepalive=True,
        user_agent=f"{session.user_agent()} kwrap",  # else it is put together anew, twice a request
        parameter_validation=False,  # ours are of the right types
        # Bytes are checked by the SHA-256 that names them; CRCs besides cost as much as the sending (1 CPU s a GB).
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # With an x-amz-checksum-sha256 in the signed head, hashing the body once more for the signature adds nothing.
        s3={"payload_signing_enabled": False},
    )
    client: Any = session.create_client(
        "s3",
        api_version="2006-03-01",  # the only one: not to be looked for
        region_name=parameters.get("region") or session.get_config_variable("region") or "us-east-1",
        endpoint_url=parameters.get("endpoint_url"),
        config=config,
    )
    # Servers that never answer '100 Continue' would cost a second a request, those that do a round trip.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client
