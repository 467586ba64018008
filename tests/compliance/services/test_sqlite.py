"""The same trail on SQLite: migrations, triggers, sealing and the verifier, in a process apart."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import django
django.setup()
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
call_command("migrate", verbosity=0)
assert connection.vendor == "sqlite"
from compliance.models import AuditEvent
from compliance.services import audit, checkpoints, sealing, verification
from config.core.actors import SYSTEM
for _ in range(3):
    audit.record(action="a.b", actor=SYSTEM, object_type="t", object_id="1")
try:
    with transaction.atomic():
        audit.record(action="a.undone", actor=SYSTEM, object_type="t", object_id="1")
        raise KeyError
except KeyError:
    audit.record_refusal(action="a.c", actor=SYSTEM, object_type="t", object_id="1", reason="no")
assert sealing.seal_pending() == 4
assert checkpoints.write_due().size == 4
for statement in (
    "UPDATE compliance_auditevent SET body = '{}' WHERE sequence = 2",
    "DELETE FROM compliance_auditevent WHERE sequence = 2",
):
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        assert "never changed" in str(error)
    else:
        raise SystemExit("SQLite let it pass: " + statement)
assert verification.verify().is_clean
with connection.cursor() as cursor:
    cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_only_seal'")
    (trigger,) = cursor.fetchone()
    cursor.execute("DROP TRIGGER audit_only_seal")
    cursor.execute("UPDATE compliance_auditevent SET body = '{}' WHERE sequence = 2")
    cursor.execute(trigger)
assert verification.verify().first_bad.sequence == 2
call_command("migrate", "compliance", "0001", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
    assert cursor.fetchone() == (0,)
print("all well")
"""


def test_the_trail_on_sqlite(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "DATABASE_URL": "",
        "FORMULARY_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "all well", done.stderr[-2000:]
