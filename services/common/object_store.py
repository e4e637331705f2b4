"""A Store in an S3 bucket, through the minio client.

Works with MinIO, SeaweedFS and every other S3 server. A put is one object, large ones in parts, and becomes visible
whole, as S3 promises. Requests are repeated by urllib3, a stated number of times; then the call fails with a sentence
that names endpoint and bucket.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError

from services.common.dependency_interfaces import UnavailableError
from services.common.logs import log
from services.common.s3_credentials import s3_credentials
from services.common.settings import Settings
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError, check_key

PART_BYTES = 16 << 20
_MAX_PARTS = 9_000  # S3 allows 10,000
_BACKOFF_S = 0.2
_AMAZON = re.compile(r"\.amazonaws\.com(\.cn)?(:\d+)?$")
_CREATING = timedelta(hours=1)  # an address to create an object at is good for so long; clocks may differ by less
_CONFLICTS = 5  # a creation that meets another one of the same object, which may yet fail, is tried so many times


class StoreUnavailableError(UnavailableError):
    """The store did not answer, or would not do what was asked; the sentence names endpoint and bucket."""


class ObjectStore:
    """A Store: the objects of one bucket whose names begin with `prefix`.

    `endpoint` is host:port, `secure` means TLS. Without keys, s3_credentials.py looks for credentials. `region` is
    us-east-1 by default, and at Amazon the one in the endpoint's name, or else what it says of the bucket. The store
    reads, writes and deletes objects that begin with `prefix`, and lists those: no other permissions are needed.

    Every request is tried 1 + `retries` times, each waiting `timeout_s` seconds for a connection and again for every
    piece of the answer, with pauses of 0, 0.4, 0.8, 1.6, … seconds between them. With the defaults a server that
    refuses connections is given up after 3 s, one that is silent after 28 s (twice that in the middle of an object in
    parts, as the parts are then cleaned up).
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str | None,
        secret_key: str | None,
        bucket: str,
        *,
        region: str | None = None,
        prefix: str = "",
        secure: bool = False,
        timeout_s: float = 5.0,
        retries: int = 4,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._where = f"the bucket {bucket} at {endpoint}"
        # Every request may be repeated, POST too: doing it twice leaves what doing it once does, or fails and the
        # caller puts the same bytes again. The last bad answer is returned instead of raised, because it says what was
        # wrong.
        retry = urllib3.Retry(
            retries,
            redirect=0,
            allowed_methods=None,
            status_forcelist=(429, 500, 502, 503, 504),
            backoff_factor=_BACKOFF_S,
            raise_on_status=False,
        )
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s), retries=retry, maxsize=16
        )
        try:
            self._client = Minio(
                endpoint,
                credentials=s3_credentials(access_key, secret_key),
                secure=secure,
                # Naming one, which own servers mostly ignore, saves the client from asking for it.
                region=region or (None if _AMAZON.search(endpoint) else "us-east-1"),
                http_client=pool,
            )
        except ValueError as error:  # of Amazon's many names of hosts, a few are no S3 server's
            raise SaescopeError(f"the S3 server can't be {endpoint}: {error}") from error
        self._pool = pool
        self._conditions_tried = False

    @classmethod
    def from_settings(cls, settings: Settings, prefix: str = "") -> ObjectStore:
        """The store that the settings name; nothing is asked of the server yet."""
        scheme, _, endpoint = settings.s3_endpoint.partition("://")
        return cls(
            endpoint,
            settings.s3_access_key,
            settings.s3_secret_key,
            settings.s3_bucket,
            region=settings.s3_region,
            prefix=settings.s3_prefix + prefix,
            secure=scheme == "https",
        )

    def create_bucket(self) -> None:
        """Make the bucket if there is none; StoreUnavailableError if that can't be done."""
        with self._sentences():
            if self._is_there():
                return
            try:
                self._client.make_bucket(self._bucket)
            except S3Error as error:
                if error.code == "AccessDenied":  # the usual case where somebody else makes the buckets
                    raise self._no_bucket() from error
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):  # another service was quicker
                    raise

    def check(self) -> None:
        """Raise StoreUnavailableError unless the bucket is there and these credentials open it."""
        with self._sentences():
            if not self._is_there():
                raise self._no_bucket()

    def _is_there(self) -> bool:
        """Whether there is the bucket, asked by a call that the store needs anyway."""
        try:
            next(iter(self._client.list_objects(self._bucket, prefix=self._prefix)), None)
        except S3Error as error:
            if error.code == "NoSuchBucket":
                return False
            raise
        return True

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Of a file, 16 MiB at a time are in memory (more only above 140 GB)."""
        check_key(key)
        file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        try:
            begin = file.tell()
            length = file.seek(0, os.SEEK_END) - begin
            file.seek(begin)
            with self._sentences(key):
                self._client.put_object(
                    self._bucket,
                    self._prefix + key,
                    file,
                    length,
                    part_size=max(PART_BYTES, -(-length // _MAX_PARTS)),
                    num_parallel_uploads=1,  # more would each hold a part
                )
        except OSError as error:  # of the file: the connection's are urllib3's
            raise SaescopeError(f"can't write {key} to {self._where}: {error.strerror or error}") from error

    def create(self, key: str, data: bytes) -> bool:
        """By S3's `If-None-Match: *`.

        A server that doesn't know this header replaces the object. The first creation is therefore asked for twice, and
        a warning is logged if that is done: on such a server one process alone may create objects.
        """
        check_key(key)
        response = self._put_if_none(key, data)
        if response.status == 412:
            # an attempt before this one may have been the one that created it
            repeated = response.retries is not None and bool(response.retries.history)
            with suppress(NotFoundError):
                return repeated and self.get(key) == data
            return False
        if not self._conditions_tried:
            self._conditions_tried = True
            with suppress(UnavailableError):
                if self._put_if_none(key, data).status != 412:
                    problem = "the S3 server ignores If-None-Match: run one API process at a time"
                    log("conditional_writes_ignored", logging.WARNING, problem=problem)
        return True

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        check_key(key)
        if length == 0:
            self.size(key)  # S3 has no empty ranges, but a missing object is an error for every length
            return b""
        with self._sentences(key):
            try:
                response = self._client.get_object(self._bucket, self._prefix + key, offset=offset, length=length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":  # begins at or after the object's end
                    return b""
                raise
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int:
        check_key(key)
        with self._sentences(key):
            try:
                return int(self._client.stat_object(self._bucket, self._prefix + key).size or 0)
            except S3Error as error:
                if error.code == "NoSuchKey":  # an answer to HEAD doesn't say if it is the bucket that is missing
                    self.check()
                raise

    def folders(self) -> list[str]:
        """One request for each 1,000 folders, however much is in them."""
        with self._sentences():
            entries = self._client.list_objects(self._bucket, prefix=self._prefix, recursive=False)
            names = [str(entry.object_name) for entry in entries if entry.is_dir]
        return sorted(name.removeprefix(self._prefix).rstrip("/") for name in names)

    def list(self, prefix: str = "") -> list[str]:
        with self._sentences():
            objects = self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True)
            names = [str(entry.object_name) for entry in objects if not entry.is_dir]
        return sorted(name.removeprefix(self._prefix) for name in names)

    def delete(self, key: str) -> None:
        check_key(key)
        with self._sentences(key):
            self._client.remove_object(self._bucket, self._prefix + key)

    def _put_if_none(self, key: str, data: bytes) -> urllib3.BaseHTTPResponse:
        """Ask for an object to be written if there is none; the answer, which has status 200, or 412 if there is one.

        The client has no call for this, so the request goes to an address that the client signs.
        """
        with self._sentences(key):
            for _ in range(_CONFLICTS):
                url = self._client.get_presigned_url("PUT", self._bucket, self._prefix + key, expires=_CREATING)
                response = self._pool.request("PUT", url, body=data, headers={"If-None-Match": "*"})
                if response.status in (200, 412):
                    return response
                if response.status != 409:
                    break
            raise _refusal(response)

    def _no_bucket(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"there is no {self._where.removeprefix('the ')}: create it, or name another")

    @contextmanager
    def _sentences(self, key: str = "") -> Iterator[None]:
        """Turn what the client raises into the errors that Store promises."""
        doing = f" for {self._prefix}{key}" if key else ""
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise NotFoundError(f"there is no object {self._prefix}{key} in {self._where}") from error
            if error.code == "NoSuchBucket":
                raise self._no_bucket() from error
            said = f"{error.code}: {error.message}" if error.message else error.code
            advice = _region_advice(error) or _ADVICE.get(error.code or "", "")
            raise StoreUnavailableError(f"{self._where} refused a request{doing}: {said}{advice}") from error
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            raise StoreUnavailableError(
                f"{self._where} can't be used{doing}; is the S3 server up? ({_reason(error)})"
            ) from error


_CREDENTIALS = "; check the access key and the secret key"
_OF_A_REGION = (
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "BadRequest",  # what the client makes of an answer to HEAD
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
    "InvalidRegion",
    "PermanentRedirect",
)
_ITS_LOG = "; the S3 server's log says why: is its disk full?"
_ADVICE = {  # by S3's error codes, some of which servers have of their own
    "AccessDenied": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InternalError": _ITS_LOG,
    "XMinioStorageFull": "; its disk is full",
}


def _region_advice(error: S3Error) -> str:
    """What to do if an answer is about the region; "" if it isn't."""
    if error.code not in _OF_A_REGION:
        return ""
    named = re.search(rb"<Region>([\w-]+)</Region>", error.response.data or b"")
    region = named.group(1).decode() if named else error.response.headers.get("x-amz-bucket-region")
    return f"; set SAESCOPE_S3_REGION to {region}" if region else "; is SAESCOPE_S3_REGION the bucket's region?"


def _refusal(response: urllib3.BaseHTTPResponse) -> MinioException:
    """What the client raises for such an answer."""
    try:
        return S3Error.fromxml(response)
    except (ParseError, UnicodeDecodeError):
        return ServerError(f"it answered with HTTP status {response.status}", response.status)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        return str(error.reason)
    return str(error)
