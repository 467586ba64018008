"""The verifier as an auditor needs it: what was done behind the application is found and named."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from compliance import tasks
from compliance.models import (
    ApprovalRequest,
    AuditEvent,
    CheckResult,
    CheckRun,
    EvaluationRun,
    Permission,
    Restore,
    Signature,
    Stop,
)
from compliance.selectors.stops import was_released_since
from compliance.services import stop_list, stops, voiding
from compliance.services.verification import verify
from compliance.states import Purpose
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from registry.domain.packages import WEIGHTS_FILE
from registry.models import Alias, Version, VersionFile
from registry.services import aliases
from serving.selectors.facts import audit_fault
from tests.factories import accounts
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("checkpoint_folder", "home")]

OTHER = "0" * 64


@dataclass
class World:
    """An approved version with a name, one that waits for signatures, and a stop."""

    approved: ApprovalRequest
    waiting: ApprovalRequest
    stop: Stop

    @property
    def version(self) -> Version:
        return self.approved.version

    @property
    def permission(self) -> Permission:
        return Permission.objects.get(request=self.approved)


@pytest.fixture
def stop() -> Stop:
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    return stops.issue(digest="a" * 64, reason="wrong", user=officer, actor=actor_of(officer))


@pytest.fixture
def world(stop: Stop) -> World:
    approved, waiting = c.approved(), c.requested()
    c.signer(Role.REVIEWER).sign(waiting, "reviewed_technical")
    version = approved.version
    aliases.move(adapter=version.adapter, name="champion", to=version, expected=None, actor=SYSTEM)
    c.sealed()
    return World(approved, waiting, stop)


def _force(world: World) -> None:
    """Approve without the second signature, and permit."""
    ApprovalRequest.objects.filter(pk=world.waiting.pk).update(state="approved")
    version = world.waiting.version
    Permission.objects.create(
        version=version,
        digest=version.digest,
        record_sha256=world.waiting.record.sha256,
        purpose=Purpose.SERVE,
        request=world.waiting,
    )


def _sign_for(world: World) -> None:
    """The missing signature, copied from the other record and made to fit."""
    _force(world)
    row = world.approved.signatures.get(position=1)
    payload = row.payload.replace(world.approved.record.sha256, world.waiting.record.sha256)
    Signature.objects.create(
        **{
            field.name: getattr(row, field.name)
            for field in Signature._meta.concrete_fields
            if field.name not in {"id", "uuid", "request", "record_sha256", "payload_sha256"}
        }
        | {
            "request": world.waiting,
            "record_sha256": world.waiting.record.sha256,
            "payload": payload,
            "payload_sha256": OTHER,
        }
    )


def _permit(world: World) -> None:
    """Permit a version that nobody was ever asked about."""
    version = make.version(of=make.adapter())
    Permission.objects.create(version=version, digest=version.digest, purpose=Purpose.SERVE)


def _revive(world: World) -> None:
    """Void an approval as the application does, then write it back."""
    voiding.void(world.approved, actor=SYSTEM, reason="changed")
    ApprovalRequest.objects.filter(pk=world.approved.pk).update(state="approved")
    Permission.objects.filter(request=world.approved).update(ended_at=None)


def _exchange_files(world: World) -> None:
    other = VersionFile.objects.get(version=world.waiting.version, path=WEIGHTS_FILE)
    VersionFile.objects.filter(version=world.version, path=WEIGHTS_FILE).update(blob=other.blob)


def _better(world: World) -> None:
    run = CheckRun.objects.filter(version=world.waiting.version, kind="evidence").latest("pk")
    CheckResult.objects.filter(run=run, check_id="CLN-01").update(state="warn")


def _grade_anew(world: World) -> None:
    row = EvaluationRun.objects.get(version=world.waiting.version).rows.first()
    assert row is not None
    type(row).objects.filter(pk=row.pk).update(is_correct=False)


ATTACKS: Mapping[str, tuple[Callable[[World], object], str, str]] = {
    "an approval without its signatures": (
        _force,
        "approvals",
        "it needs the signatures reviewed_technical, approved; those that verify are: "
        "reviewed_technical",
    ),
    "a signature of another record": (_sign_for, "approvals", "it needs the signatures"),
    "an approval that the trail does not know": (_force, "approvals", "the trail has no event"),
    "a permission from nothing": (_permit, "permissions", "no approval is in force"),
    "a permission that the trail does not know": (_permit, "permissions", "no event of it"),
    "a void approval that came back": (_revive, "approvals", "the trail says that it ended"),
    "a permission that came back": (_revive, "permissions", "the trail says that it is ended"),
    "a permission for other bytes": (
        lambda world: Permission.objects.filter(request=world.approved).update(digest=OTHER),
        "permissions",
        "it permits another digest, 000000000000",
    ),
    "a permission under another record": (
        lambda world: Permission.objects.filter(request=world.approved).update(record_sha256=OTHER),
        "permissions",
        "it names another record than its approval",
    ),
    "a stop that was deleted": (
        lambda world: Stop.objects.all().delete(),
        "stops",
        "is in the trail and its row is gone",
    ),
    "a stop that was lifted": (
        lambda world: Stop.objects.update(released_at=clock.now()),
        "stops",
        "its row says released, and the trail has no release",
    ),
    "a stop of something else": (
        lambda world: Stop.objects.update(digest="b" * 64),
        "stops",
        "was of aaaaaaaaaaaa, its row says bbbbbbbbbbbb",
    ),
    "a restore that nobody noticed": (
        lambda world: Restore.objects.create(evidence="[x]", resumed_at=clock.now()),
        "restores",
        "its row says resumed, and nobody in the trail has",
    ),
    "files of another version": (_exchange_files, "versions", "its files' manifest is"),
    "a digest of other files": (
        lambda world: Version.objects.filter(pk=world.version.pk).update(digest=OTHER),
        "versions",
        "it was submitted as",
    ),
    "a name that was moved": (
        lambda world: Alias.objects.update(version=world.waiting.version),
        "aliases",
        "the trail moved it to",
    ),
    "a name that was taken away": (
        lambda world: Alias.objects.all().delete(),
        "aliases",
        "is in the trail and its row is gone",
    ),
    "an answer that was graded anew": (
        _grade_anew,
        "evaluations",
        "its rows are not those that were recorded",
    ),
    "a result that was changed before the record": (
        _better,
        "checks",
        "its results are not those that were found",
    ),
    "facts that a check never saw": (
        lambda world: CheckRun.objects.filter(version=world.waiting.version).update(snapshot="{}"),
        "checks",
        "what it judged is not what is stored now",
    ),
}


def test_what_was_done_behind_the_application_is_named(world: World) -> None:
    report = verify()
    assert report.is_clean, [line.text for line in report.lines if not line.is_ok]
    for name, (attack, what, words) in ATTACKS.items():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
            attack(world)
            found = [line.text for line in verify().lines if not line.is_ok and line.what == what]
            transaction.set_rollback(True)
        world.approved.refresh_from_db()
        assert any(words in text for text in found), (name, found)
    assert verify().is_clean


def test_what_a_night_finds_is_in_the_trail_and_an_alert_until_it_is_mended() -> None:
    tasks.verify_trail()
    assert audit_fault() == ""
    Stop.objects.create(digest=OTHER, reason="x")
    tasks.verify_trail()
    told = AuditEvent.objects.filter(action="audit.verified").latest("pk")
    assert '"failures":[null,1]' in told.body and "the trail has no event of it" in told.body
    assert audit_fault().startswith("stops: stop ")
    assert audit_fault().endswith("of 000000000000: the trail has no event of it")
    Stop.objects.all().delete()
    call_command("verify_audit", "--record", stdout=io.StringIO())
    assert audit_fault() == ""


def test_many_faults_of_a_kind_are_counted() -> None:
    Stop.objects.bulk_create(Stop(digest=f"{number:064x}", reason="x") for number in range(25))
    lines = [line.text for line in verify().lines if line.what == "stops"]
    assert len(lines) == 21
    assert lines[-1] == "5 more"


def test_a_release_that_only_a_row_tells_of_releases_nothing(stop: Stop) -> None:
    Stop.objects.filter(pk=stop.pk).update(released_at=clock.now())
    assert not was_released_since(stop.digest, stop.issued_at)
    with clock.frozen_at(clock.now() + stops.UNDER_WAY * 2):
        assert stops.unite() == 1
    assert Stop.objects.filter(digest=stop.digest, released_at=None).exists()
    assert stop.digest in stop_list.read().stopped
