"""A store in a bucket that is not ours: of a server that insists on its region, or open to a prefix alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from services.common.object_store import ObjectStore, StoreUnavailableError
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import Store
from tests.integration.test_object_store import BUCKET, EVERY_CALL, connect
from tests.support.proxy import S3Proxy, s3_proxy
from tests.support.servers import S3Server, s3_server
from tests.support.store_contract import StoreContract
from tests.support.strict_s3 import only_objects_of, only_region


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.client().make_bucket(BUCKET)
        yield server


@pytest.fixture
def proxy(server: S3Server) -> Iterator[S3Proxy]:
    with s3_proxy(server.endpoint) as proxy:
        yield proxy


class TestABucketOfAServerThatInsistsOnItsRegion(StoreContract):
    """The same promises."""

    @pytest.fixture
    def store(self, server: S3Server, proxy: S3Proxy) -> Store:
        proxy.rule = only_region("eu-central-1")
        return connect(server, endpoint=proxy.endpoint, region="eu-central-1")


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_another_region_than_the_server_s_is_an_error_that_names_the_right_one(
    server: S3Server, proxy: S3Proxy, region: str | None
) -> None:
    proxy.rule = only_region("eu-central-1")
    for call in EVERY_CALL:
        expected = r"refused a request.*; set SAESCOPE_S3_REGION to eu-central-1$"
        with pytest.raises(StoreUnavailableError, match=expected):
            call(connect(server, endpoint=proxy.endpoint, region=region))


class TestTheObjectsOfAPrefixAlone(StoreContract):
    """The same promises, where neither the bucket nor other objects may be looked at."""

    @pytest.fixture
    def store(self, server: S3Server, proxy: S3Proxy) -> Store:
        proxy.rule = only_objects_of(BUCKET, "team/")
        store = connect(server, endpoint=proxy.endpoint, prefix=f"team/{uuid.uuid4()}/")
        store.create_bucket()
        store.check()
        return store


def test_a_bucket_that_may_not_be_made_is_to_be_made_by_somebody_else(server: S3Server, proxy: S3Proxy) -> None:
    proxy.rule = only_objects_of("nowhere", "team/")
    store = connect(server, endpoint=proxy.endpoint, bucket="nowhere", prefix="team/")
    with pytest.raises(StoreUnavailableError, match=r"there is no bucket nowhere at .*: create it, or name another"):
        store.create_bucket()


def test_a_name_of_amazon_s_that_is_no_s3_server_is_an_error() -> None:
    with pytest.raises(SaescopeError, match=r"the S3 server can't be ec3\.amazonaws\.com: invalid Amazon AWS host"):
        ObjectStore("ec3.amazonaws.com", "user", "password", BUCKET)
