"""A Store in an S3 bucket, through the minio client.

Works with MinIO, SeaweedFS and every other S3 server. A put is one object and becomes visible whole, as S3 promises.
Calls are retried by the client for a stated time; then they fail with a sentence.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.store import NotFoundError, check_key

_PART_BYTES = 16 << 20
_MISSING = ("NoSuchKey", "NoSuchObject", "NoSuchBucket")


class StoreUnavailableError(SaescopeError):
    """The store did not answer, or could not do what was asked; trying again later may work."""


class ObjectStore:
    """The objects of one bucket whose names begin with a prefix."""

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        *,
        prefix: str = "",
        secure: bool = False,
        timeout_s: float = 10.0,
        retries: int = 5,
    ) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._prefix = prefix
        retry = urllib3.Retry(retries, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(timeout_s, 5.0), read=timeout_s), retries=retry, maxsize=16
        )
        self._client = Minio(
            endpoint, access_key=access_key, secret_key=secret_key, secure=secure, region="us-east-1", http_client=pool
        )

    def create_bucket(self) -> None:
        """Make the bucket if there is none."""
        with self._sentences(""):
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """See Store.put."""
        check_key(key)
        file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        begin = file.tell()
        length = file.seek(0, os.SEEK_END) - begin
        file.seek(begin)
        with self._sentences(key):
            self._client.put_object(
                self._bucket, self._prefix + key, file, length, part_size=max(_PART_BYTES, -(-length // 9_000))
            )

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.get."""
        check_key(key)
        if length == 0:
            return b""
        with self._sentences(key):
            response = self._client.get_object(self._bucket, self._prefix + key, offset=offset, length=length or 0)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int:
        """See Store.size."""
        check_key(key)
        with self._sentences(key):
            return int(self._client.stat_object(self._bucket, self._prefix + key).size or 0)

    def list(self, prefix: str = "") -> list[str]:
        """See Store.list."""
        with self._sentences(prefix):
            objects = self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True)
            names = [str(entry.object_name) for entry in objects if not entry.is_dir]
        return sorted(name.removeprefix(self._prefix) for name in names)

    def delete(self, key: str) -> None:
        """See Store.delete."""
        check_key(key)
        with self._sentences(key):
            self._client.remove_object(self._bucket, self._prefix + key)

    @contextmanager
    def _sentences(self, key: str) -> Iterator[None]:
        where = f"{self._bucket}/{self._prefix}{key} at {self._endpoint}"
        try:
            yield
        except S3Error as error:
            if error.code in _MISSING or (error.response is not None and error.response.status == 404):
                raise NotFoundError(f"there is no object {where}") from error
            raise StoreUnavailableError(f"the store refused {where}: {error.message or error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailableError(f"the store can't be reached for {where}: {error}") from error
