"""Settings of the stores: every spelling, defaults, and combinations that are refused."""

from typing import Any

import environ
import pytest

from config.core.store_settings import StoreSettings, read
from tests.factories.settings import settings_read_anew

KEYS = (
    "STORAGE_TYPE", "STORAGE_LAYOUT", "RECORD_STORE", "DYNAMODB_TABLE", "AWS_REGION", "S3_REGION",
    "ARTIFACT_S3_BUCKET", "S3_BUCKET", "S3_BUCKET_NAME", "S3_ENDPOINT", "S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PRESIGNED_URL_SECONDS",
)  # fmt: skip


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the settings from an environment that has these keys alone."""

    def read_with(**values: str) -> StoreSettings:
        for key in KEYS:
            monkeypatch.delenv(key, raising=False)
        for key, value in values.items():
            monkeypatch.setenv(key, value)
        return read(environ.Env())

    return read_with


def test_the_bucket_has_three_names_and_a_default_F52(given: Any) -> None:
    assert given().bucket == "modelguard-artifacts"
    assert given(S3_BUCKET_NAME="c").bucket == "c"
    assert given(S3_BUCKET_NAME="c", S3_BUCKET="b").bucket == "b"
    found = given(STORAGE_TYPE="s3", S3_BUCKET="b", ARTIFACT_S3_BUCKET="a")
    assert found.bucket == found.as_django()["OPTIONS"]["bucket_name"] == "a"


def test_the_bucket_is_the_one_that_a_process_uses_F52(given: Any) -> None:
    given(STORAGE_TYPE="s3", S3_BUCKET="ours")  # these stay in the environment
    found = settings_read_anew()
    assert found["STORE"].bucket == "ours"
    for name in ("default", "blobs"):
        assert found["STORAGES"][name]["OPTIONS"]["bucket_name"] == "ours"


def test_the_table_has_a_default_and_a_mirror_must_name_it_F53(given: Any) -> None:
    assert (given().table, given().is_mirrored) == ("ModelGuard-Models", False)
    found = given(RECORD_STORE="dynamodb", DYNAMODB_TABLE="Ours")
    assert (found.table, found.is_mirrored) == ("Ours", True)
    assert not given(DYNAMODB_TABLE="Ours").is_mirrored
    with pytest.raises(environ.ImproperlyConfigured, match="DYNAMODB_TABLE"):
        given(RECORD_STORE="dynamodb")


def test_the_region_has_a_default_F54(given: Any) -> None:
    assert given().region == "us-east-1"
    found = given(STORAGE_TYPE="s3", AWS_REGION="eu-central-1")
    assert found.region == found.as_django()["OPTIONS"]["region_name"] == "eu-central-1"
    assert given(AWS_REGION="eu-central-1", S3_REGION="eu-west-3").region == "eu-west-3"


def test_both_spellings_of_the_address_count_and_may_not_differ(given: Any) -> None:
    assert given(S3_ENDPOINT="http://s3:9000").endpoint_url == "http://s3:9000"
    assert given(S3_ENDPOINT_URL="http://s3:9000").endpoint_url == "http://s3:9000"
    both = given(S3_ENDPOINT="http://s3:9000/", S3_ENDPOINT_URL="http://s3:9000")
    assert both.endpoint_url == "http://s3:9000"
    with pytest.raises(environ.ImproperlyConfigured, match="S3_ENDPOINT"):
        given(S3_ENDPOINT="http://a", S3_ENDPOINT_URL="http://b")


def test_without_a_word_bytes_go_to_the_file_system_L24(given: Any) -> None:
    assert not given().is_s3
    assert given(STORAGE_TYPE="s3").is_s3


@pytest.mark.parametrize("kind", ["filesystem", "local"])
def test_a_file_system_has_two_names(given: Any, kind: str) -> None:
    assert not given(STORAGE_TYPE=kind).is_s3


@pytest.mark.parametrize(
    "values",
    [
        {"STORAGE_TYPE": "ftp"},
        {"STORAGE_LAYOUT": "contract"},
        {"STORAGE_LAYOUT": "flat"},
        {"RECORD_STORE": "mongodb"},
        {"AWS_ACCESS_KEY_ID": "alone"},
        {"AWS_SECRET_ACCESS_KEY": "alone"},
        {"PRESIGNED_URL_SECONDS": "0"},
        {"PRESIGNED_URL_SECONDS": "604801"},
    ],
)
def test_what_can_not_be_is_refused_with_its_key(given: Any, values: dict[str, str]) -> None:
    with pytest.raises(environ.ImproperlyConfigured, match=next(iter(values))):
        given(**values)
