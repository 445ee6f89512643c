"""Amazon's signature of requests (Signature Version 4), made by botocore: the extra ``meshlab[aws]``.

Reference: docs.aws.amazon.com, "Create a signed AWS API request"; Amazon Managed Service for Prometheus is ``aps``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from requests import PreparedRequest
from requests.auth import AuthBase

from meshlab.config import Profile
from meshlab.errors import ConfigError

__all__ = ["SigV4"]

_REGION: Final = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.amazonaws\.com")
_SIGNED: Final = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")


class SigV4(AuthBase):
    """Signs each request with the credentials that botocore finds: variables, ``~/.aws``, a role.

    Parameters
    ----------
    profile : Profile
        With its region and service.
    name : str
        The profile's, for messages.

    Raises
    ------
    ConfigError
        The extra is not installed, or there are no credentials, or no region.
    """

    def __init__(self, profile: Profile, name: str) -> None:
        try:
            from botocore.session import get_session
        except ImportError:
            raise ConfigError(
                f'profile {name} has auth = "sigv4", and botocore is not installed', "pip install 'meshlab[aws]'"
            ) from None
        session = get_session()
        self._credentials: Any = session.get_credentials()
        if self._credentials is None:
            raise ConfigError(
                f"no AWS credentials are found for profile {name}",
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        found = _REGION.search(profile.url)
        region = profile.region or (found[1] if found else "") or session.get_config_variable("region")
        if not region:
            raise ConfigError(f"profile {name} has no region", 'write region = "eu-west-1"')
        self._scope = (profile.service, region)
        frozen = self._credentials.get_frozen_credentials()
        # As texts of its own, so that no message holds them.
        self._key, self._secret, self._token = frozen.access_key, frozen.secret_key, frozen.token or ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its signature."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        address, mark, asked = str(request.url).partition("?")
        # A space of a form is signed as %20, and sent as it is signed.
        request.url = f"{address}{mark}{asked.replace('+', '%20')}"
        kind = request.headers.get("Content-Type")
        headers = {"Content-Type": kind} if kind else {}
        signed = AWSRequest(request.method, request.url, headers, request.body)
        SigV4Auth(self._credentials.get_frozen_credentials(), *self._scope).add_auth(signed)
        request.headers.update({name: signed.headers[name] for name in _SIGNED if name in signed.headers})
        return request
