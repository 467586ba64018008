"""One lock per (node, adapter): who wants, claims or brings back an adapter there does it alone."""

from django.db import connection


def hold(*, node_id: int, adapter_id: int) -> None:
    """Until the caller's transaction ends nobody else places this adapter on this node.

    PostgreSQL: an advisory lock of the transaction, taken before the replica's row. SQLite: every
    transaction here begins as the only writer.
    """
    if connection.vendor == "postgresql":
        place = f"formulary/placement/{node_id}/{adapter_id}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [place])
