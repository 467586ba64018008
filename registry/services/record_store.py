"""The copy of records in an outside table: one port, and DynamoDB behind it.

The table's library is imported where a table is asked: most installations have none.
"""

from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings

from registry.domain.artifact_items import item_of, record_of
from registry.domain.artifacts import Record
from registry.storage_errors import RecordNotMirrored


class RecordStore(Protocol):
    """Records by name, outside of our database."""

    def put(self, record: Record) -> None:
        """Store the record under its name.

        Raises:
            RecordNotMirrored: the store did not take it.
        """

    def get(self, name: str) -> Record | None:
        """The record of this name."""

    def remove(self, name: str) -> None:
        """Forget the record of this name, if there is one."""


class DynamoRecords:
    """A table whose key is ``name`` (S); attributes are typed S and N."""

    def __init__(self, client: Any, table: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        self._client = client
        self._table = table
        self._failures = (BotoCoreError, ClientError)

    def put(self, record: Record) -> None:
        """``PutItem``: the whole item, so that a repeated one changes nothing."""
        try:
            self._client.put_item(TableName=self._table, Item=item_of(record))
        except self._failures as error:
            raise self._refusal(error) from error

    def get(self, name: str) -> Record | None:
        """``GetItem`` by name, read consistently."""
        try:
            answer = self._client.get_item(
                TableName=self._table, Key={"name": {"S": name}}, ConsistentRead=True
            )
        except self._failures as error:
            raise self._refusal(error) from error
        return record_of(answer["Item"]) if "Item" in answer else None

    def remove(self, name: str) -> None:
        """``DeleteItem`` by name."""
        try:
            self._client.delete_item(TableName=self._table, Key={"name": {"S": name}})
        except self._failures as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> RecordNotMirrored:
        return RecordNotMirrored(
            f"The table {self._table} did not answer as it should: {type(error).__name__}.",
            fix="Look at DYNAMODB_TABLE, AWS_REGION and the account, then send the request again.",
        )


def mirror() -> RecordStore | None:
    """The mirror that RECORD_STORE asks for, None without one."""
    store = settings.STORE
    if not store.is_mirrored:
        return None
    return DynamoRecords(_client(store.region, store.table_endpoint_url), store.table)


@lru_cache(maxsize=4)
def _client(region: str, endpoint_url: str) -> Any:
    """Made when a record is first mirrored; a request waits a few seconds for it at most."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "dynamodb",
        region_name=region,
        endpoint_url=endpoint_url or None,
        config=Config(
            connect_timeout=2, read_timeout=3, retries={"max_attempts": 2, "mode": "standard"}
        ),
    )
