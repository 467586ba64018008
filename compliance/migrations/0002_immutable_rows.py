"""Triggers that keep audit events, signatures and records as they were written."""

from django.db import migrations

SEAL_COLUMNS = ("sequence", "previous_hash", "event_hash", "sealed_at")
AUDIT_COLUMNS = ("id", "uuid", "at", "action", "actor_name", "object_type", "object_id", "body")
FROZEN = ("compliance_record", "compliance_signature")
AUDIT = "compliance_auditevent"

POSTGRES = f"""
CREATE FUNCTION formulary_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION formulary_only_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.sequence IS NULL AND NEW.sequence IS NOT NULL
        AND {" AND ".join(f"OLD.{c} IS NOT DISTINCT FROM NEW.{c}" for c in AUDIT_COLUMNS)}
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit events are sealed once and never changed'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_only_seal BEFORE UPDATE ON {AUDIT}
    FOR EACH ROW EXECUTE FUNCTION formulary_only_seal();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON {AUDIT}
    FOR EACH ROW EXECUTE FUNCTION formulary_refuse_change();
""" + "".join(
    f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION formulary_refuse_change();"
    for table in FROZEN
)

POSTGRES_REVERSE = (
    f"DROP TRIGGER audit_only_seal ON {AUDIT}; DROP TRIGGER audit_no_delete ON {AUDIT};"
    + "".join(f"DROP TRIGGER {table}_frozen ON {table};" for table in FROZEN)
    + "DROP FUNCTION formulary_only_seal(); DROP FUNCTION formulary_refuse_change();"
)

REFUSE = "BEGIN SELECT RAISE(ABORT, 'these rows are never changed or deleted'); END"
SQLITE = (
    f"CREATE TRIGGER audit_only_seal BEFORE UPDATE ON {AUDIT} "
    "WHEN OLD.sequence IS NOT NULL OR NEW.sequence IS NULL OR "
    + " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in AUDIT_COLUMNS)
    + f" {REFUSE}",
    f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {AUDIT} {REFUSE}",
    *(
        f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} {REFUSE}"
        for table in FROZEN
        for act in ("UPDATE", "DELETE")
    ),
)
SQLITE_REVERSE = (
    "DROP TRIGGER audit_only_seal",
    "DROP TRIGGER audit_no_delete",
    *(f"DROP TRIGGER {table}_no_{act}" for table in FROZEN for act in ("update", "delete")),
)


def protect(apps, schema_editor):
    """Create the triggers of this database."""
    statements = (POSTGRES,) if schema_editor.connection.vendor == "postgresql" else SQLITE
    for statement in statements:
        schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    """Drop them."""
    is_postgres = schema_editor.connection.vendor == "postgresql"
    for statement in (POSTGRES_REVERSE,) if is_postgres else SQLITE_REVERSE:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    """Reversible; later migrations that rewrite one of these tables drop and re-create them."""

    dependencies = [("compliance", "0001_initial")]
    operations = [
        migrations.RunPython(protect, unprotect),
    ]
