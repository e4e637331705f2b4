"""Reads files in Azure containers through blobfile: size, MD5 and content.

By default blobfile retries for ever, prints to standard output and saves tokens in the home directory; here it doesn't.
A mirror can replace Azure: with SAESCOPE_AZURE_ENDPOINT=http://host:port, the file
`https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH` is read from `http://host:port/ACCOUNT/CONTAINER/PATH`, without
credentials.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import blobfile as bf
import urllib3

from sparse_autoencoder.utils.time_limit import within

ENDPOINT_VARIABLE = "SAESCOPE_AZURE_ENDPOINT"
LOOKUP_TIMEOUT_S = 8.0  # how long the server may take to describe a file, including all retries
_AZURE_HOST = ".blob.core.windows.net"
_CHUNK_BYTES = 8 * 2**20  # one request each; after a dropped connection the whole piece is fetched again
_LOOKUP_RETRIES = 5  # take about 2 s if connections are refused
_READ_RETRIES = 8  # for one piece; take about 10 s
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30

_log = logging.getLogger(__name__)


class BlobError(Exception):
    """A blob can't be read; the message is the reason, as a part of a sentence."""


class NoSuchBlobError(BlobError):
    """The server answers that there is no such blob."""


def split_address(address: str) -> tuple[str, str, str]:
    """Split an `az://` or `https://ACCOUNT.blob.core.windows.net` address into account, container and path.

    Raises BlobError for any other address.
    """
    parts = urlsplit(address)
    container, _, path = parts.path.lstrip("/").partition("/")
    account = parts.netloc
    if parts.scheme == "https" and account.endswith(_AZURE_HOST):
        account = account.removesuffix(_AZURE_HOST)
    elif parts.scheme != "az":
        raise BlobError(f"only az://ACCOUNT/CONTAINER/PATH and https://ACCOUNT{_AZURE_HOST}/CONTAINER/PATH can be read")
    if not all(part not in ("", ".", "..") for part in (account, container, *path.split("/"))):
        raise BlobError("the address must name an account, a container and the path of a file")
    return account, container, path


def describe(address: str) -> tuple[int, str | None]:
    """Ask the server for a file's size in bytes, and its MD5 in hexadecimal if the server knows it.

    Raises BlobError within LOOKUP_TIMEOUT_S if there is no such file or the server can't be reached.
    """
    with _reasons():
        facts = within(LOOKUP_TIMEOUT_S, lambda: _context(_LOOKUP_RETRIES).stat(address))
    return facts.size, facts.md5


def read(address: str, size: int) -> Iterator[bytes]:
    """The file's content in pieces of 8 MiB; `size` is the one from `describe`.

    Raises BlobError if the file changes meanwhile, or if the server still fails after all retries.
    """
    with (
        _reasons(),
        _context(_READ_RETRIES).BlobFile(address, "rb", buffer_size=_CHUNK_BYTES, file_size=size) as file,
    ):
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


class _MirrorPool(urllib3.PoolManager):
    """A connection pool that sends requests for Azure storage accounts to a mirror."""

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint.rstrip("/")

    def urlopen(  # type: ignore[override]  # urllib3 declares overloads of it
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        if parts.netloc.endswith(_AZURE_HOST):
            account = parts.netloc.removesuffix(_AZURE_HOST)
            url = f"{self._endpoint}/{account}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            headers = dict(options.get("headers") or {})
            headers.pop("Authorization", None)  # credentials for Azure must not reach the mirror
            options["headers"] = headers
        return super().urlopen(method, url, redirect, **options)


def _context(retry_limit: int) -> Any:
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    pool = _MirrorPool(endpoint) if endpoint else None
    return bf.create_context(
        log_callback=_log.info,
        retry_limit=retry_limit,
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        get_http_pool=None if pool is None else lambda: pool,
        save_access_token_to_disk=False,
    )


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn what blobfile and urllib3 raise into a BlobError."""
    try:
        yield
    except FileNotFoundError as error:
        raise NoSuchBlobError("the server has no such file") from error
    except bf.VersionMismatch as error:
        raise BlobError("the file changed on the server while it was read") from error
    except bf.RequestFailure as error:
        status = error.response_status
        raise BlobError(f"the server answers with status {status}" if status else "no connection") from error
    except TimeoutError as error:
        raise BlobError(str(error)) from error
    except (bf.Error, urllib3.exceptions.HTTPError) as error:
        raise BlobError(str(error).partition("\n")[0]) from error
    except (OSError, KeyError, ValueError) as error:  # blobfile doesn't check that headers exist and are well formed
        raise BlobError(f"the server's answer isn't that of an Azure container ({error})") from error
