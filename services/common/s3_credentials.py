"""Credentials for the S3 server: the keys in the settings, or those that the usual chain of places has.

The chain is that of Amazon's tools: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN),
the credentials file (AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile AWS_PROFILE or default), and the role
of the pod, container or machine (web identity, container credentials, instance metadata). ~/.aws/config
is not read, so single sign-on and roles that a profile assumes are not supported.
"""

import configparser
import os
import re
import threading
from pathlib import Path

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import EnvAWSProvider, IamAwsProvider, Provider, StaticProvider

from services.common.dependency_interfaces import UnavailableError

# Short, because on a machine without a role nothing answers at the address that gives out its credentials.
_CONNECT_S, _READ_S, _RETRIES = 1.0, 5.0, 1


class NoCredentialsError(UnavailableError):
    """No place has credentials; the sentence says why for each. Trying again may work: a file or role may appear."""


def s3_credentials(access_key: str | None, secret_key: str | None) -> Provider:
    """A provider of these keys; without keys, the chain."""
    if access_key is None or secret_key is None:
        return CredentialChain()
    return StaticProvider(access_key, secret_key)


class CredentialChain(Provider):
    """Takes credentials from the first place that has some: environment, file, role.

    It looks for them at every request, so a file that was replaced is used at once. A role's credentials are cached
    until shortly before they expire. `retrieve` raises NoCredentialsError.
    """

    def __init__(self) -> None:
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S), retries=urllib3.Retry(_RETRIES)
        )
        self._file = CredentialsFile()
        self._places: dict[str, Provider] = {
            "in the environment": EnvAWSProvider(),
            f"in {self._file.path}, profile {self._file.profile}": self._file,
            "of a role": IamAwsProvider(http_client=pool),
        }
        self._lock = threading.Lock()  # so that several threads cause one request for a role

    def retrieve(self) -> Credentials:
        reasons: list[str] = []
        with self._lock:
            for place, provider in self._places.items():
                try:
                    return provider.retrieve()
                except Exception as error:  # providers raise whatever an incomplete answer makes them raise
                    reasons.append(f"none {place} ({_reason(error)})")
        raise NoCredentialsError(
            "there are no credentials for the S3 server: "
            + "; ".join(reasons)
            + "; set SAESCOPE_S3_ACCESS_KEY and SAESCOPE_S3_SECRET_KEY, or provide one of these"
        )


class CredentialsFile(Provider):
    """A profile of Amazon's credentials file.

    It replaces the client's AWSConfigProvider, which fails at a % in a key and treats an unreadable file as missing.
    """

    def __init__(self) -> None:
        named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
        self.path = Path(named) if named else Path.home() / ".aws" / "credentials"
        self.profile = os.environ.get("AWS_PROFILE") or "default"

    def retrieve(self) -> Credentials:
        """Raise ValueError, OSError or configparser.Error if the file has none."""
        parser = configparser.RawConfigParser()
        with self.path.open(encoding="utf-8") as file:
            parser.read_file(file)
        profile = parser[self.profile] if parser.has_section(self.profile) else {}
        return Credentials(
            profile.get("aws_access_key_id", ""),
            profile.get("aws_secret_access_key", ""),
            profile.get("aws_session_token"),
        )


def _reason(error: Exception) -> str:
    """What went wrong, without quoting a file, an address or an answer, because these may hold secrets."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, configparser.Error):
        return "it is no credentials file"
    if isinstance(error, urllib3.exceptions.HTTPError):
        return "nobody answers who gives them out"
    status = re.search(r"HTTP status code \d+", str(error))
    return status.group() if status else "no keys" if isinstance(error, ValueError) else type(error).__name__
