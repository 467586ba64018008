"""Verifies the audit trail: chain, tree heads, what is not sealed in time, and what it is about."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from compliance.domain.audit_chain import NO_PREVIOUS, Seal, event_hash
from compliance.domain.merkle import Frontier
from compliance.domain.signed_note import NoteUnreadable, is_signed_by
from compliance.errors import CheckpointUnreadable
from compliance.models import AuditEvent, Checkpoint
from compliance.selectors import verification_acts as acts
from compliance.selectors import verification_facts as facts
from compliance.selectors.audit import parse_body
from compliance.selectors.checkpoints import read_file
from compliance.selectors.trail import Explanation, explanations, files
from compliance.selectors.verification_signatures import (
    counts,
    record_faults,
    signature_faults,
)
from config.core import clock, keys

SEAL_WITHIN = timedelta(seconds=10)
# Lines of one kind in a report; how many more there are is said.
MOST_LINES = 20


@dataclass(frozen=True)
class Line:
    """One line of the report; ``sequence`` names the first bad event of its kind."""

    is_ok: bool
    what: str
    text: str
    sequence: int | None = None
    event_uuid: str = ""


@dataclass
class Report:
    """What the verifier found; clean when every line is in order."""

    entries: int = 0
    head: str = ""
    lines: list[Line] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return all(line.is_ok for line in self.lines)

    @property
    def first_bad(self) -> Line | None:
        """The first failure."""
        return next((line for line in self.lines if not line.is_ok), None)

    def as_dict(self) -> dict[str, Any]:
        """The report for machines."""
        bad = self.first_bad
        return {
            "result": "clean" if self.is_clean else "failure",
            "entries": self.entries,
            "head": self.head,
            "first_bad": bad.sequence if bad else None,
            "lines": [
                {
                    "ok": line.is_ok,
                    "what": line.what,
                    "text": line.text,
                    "sequence": line.sequence,
                    "event": line.event_uuid,
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True)
class _Head:
    size: int
    root: str
    where: str
    is_signed: bool


def verify(*, checkpoint_file: Path | None = None) -> Report:
    """Recompute every hash of the trail, every tree head, every signature and approved record.

    ``checkpoint_file``: a copy kept outside the database; without one, every file in the folder.

    Raises:
        CheckpointUnreadable: the named file is no checkpoint.
    """
    report = Report()
    outside, unreadable = _outside(checkpoint_file)
    inside = _inside()
    key = keys.key_id(keys.log_key().public_key())
    report.lines.append(Line(True, "log key", f"ed25519 {key}"))
    frontier = Frontier()
    sizes = {head.size for head in (*outside, *inside)}
    roots = {0: frontier.root().hex()} if 0 in sizes else {}
    bad = None
    for bad, row in _walk():
        if bad:
            break
        frontier.append(bytes.fromhex(row.event_hash))
        report.head = row.event_hash
        if frontier.size in sizes:
            roots[frontier.size] = frontier.root().hex()
    report.entries = frontier.size
    report.lines.append(bad or _chain_line(report))
    report.lines.extend(unreadable)
    report.lines.extend(_outside_lines(outside, roots, report.entries))
    report.lines.extend(_inside_lines(inside, roots, report.entries))
    report.lines.append(_unsealed_line())
    report.lines.extend(_signature_lines())
    report.lines.extend(_thing_lines())
    return report


def _walk() -> Iterator[tuple[Line | None, AuditEvent]]:
    """Each sealed event in order, with what is wrong with it; ends at the first bad one."""
    previous = NO_PREVIOUS
    rows = AuditEvent.objects.filter(sequence__isnull=False).order_by("sequence")
    for sequence, row in enumerate(rows.iterator(2000), start=1):
        fault = _fault(row, sequence, previous)
        if fault:
            yield Line(False, "audit chain", fault, sequence, str(row.uuid)), row
            return
        previous = row.event_hash
        yield None, row


def _fault(row: AuditEvent, sequence: int, previous: str) -> str:
    if row.sequence != sequence:
        return f"entry {sequence} is missing: the next one is {row.sequence}"
    if row.previous_hash != previous:
        return f"entry {sequence} does not follow the one before: its previous hash is another"
    try:
        body = parse_body(row)
        seal = Seal(
            sequence=sequence,
            previous_hash=previous,
            sealed_at=clock.isoformat(row.sealed_at) if row.sealed_at else "",
        )
        found = event_hash(body, seal)
    except (ValueError, TypeError):
        return f"entry {sequence}: its content is not an event any more"
    if found != row.event_hash:
        return f"entry {sequence}: content does not match its hash"
    columns = {
        "id": str(row.uuid),
        "ts": clock.isoformat(row.at),
        "action": row.action,
    }
    is_equal = all(body.get(name) == value for name, value in columns.items())
    subject = {"type": row.object_type, "id": row.object_id}
    is_equal &= subject.items() <= body["object"].items()
    if not is_equal or body["actor"]["name"] != row.actor_name:
        return f"entry {sequence}: a column does not match the sealed content"
    return ""


def _chain_line(report: Report) -> Line:
    first = AuditEvent.objects.filter(sequence=1).values_list("at", flat=True).first()
    last = AuditEvent.objects.filter(sequence=report.entries).values_list("at", flat=True).first()
    span = (
        f", {first:%Y-%m-%d} .. {last:%Y-%m-%d}, head {report.head[:16]}" if first and last else ""
    )
    return Line(True, "audit chain", f"{report.entries} entries{span}")


def _outside(checkpoint_file: Path | None) -> tuple[list[_Head], list[Line]]:
    """The named file alone, or all of the folder, smallest first; and lines of the unreadable."""
    heads, lines = [], []
    for path in [checkpoint_file] if checkpoint_file else files():
        try:
            found = read_file(path)
        except CheckpointUnreadable as error:
            if checkpoint_file:
                raise
            lines.append(Line(False, "checkpoint", error.message))
            continue
        heads.append(_Head(found.head.size, found.head.root.hex(), path.name, found.is_signed))
    return sorted(heads, key=lambda head: head.size), lines


def _inside() -> list[_Head]:
    heads = []
    public = keys.log_key().public_key()
    for row in Checkpoint.objects.order_by("size"):
        try:
            is_signed = is_signed_by(row.note, public=public)
        except NoteUnreadable:
            is_signed = False
        heads.append(_Head(row.size, row.root, "in the database", is_signed))
    return heads


def _outside_lines(heads: list[_Head], roots: dict[int, str], entries: int) -> Iterator[Line]:
    """The first file that disagrees, what restores explain, and the newest that agrees."""
    explained = explanations()
    outrun: dict[Explanation, list[_Head]] = {}
    bad: list[Line] = []
    newest = None
    for head in heads:
        line = _head_line(head, roots, entries)
        why = next((each for each in explained if each.covers(head.size)), None)
        if line.is_ok:
            newest = line
        elif why and head.is_signed:
            outrun.setdefault(why, []).append(head)
        else:
            bad.append(line)
    yield from bad[:1]
    if len(bad) > 1:
        yield Line(False, "checkpoint", f"{len(bad) - 1} more files disagree")
    for why, gone in outrun.items():
        said = f"size {gone[-1].size} ({gone[-1].where}): {why}"
        said += f"; with it {len(gone) - 1} smaller" if len(gone) > 1 else ""
        yield Line(True, "checkpoint", said)
    if newest:
        yield newest
    agree = len(heads) - len(bad) - sum(map(len, outrun.values()))
    if len(heads) > 1:
        yield Line(True, "checkpoint", f"{agree} of {len(heads)} files agree with the log")


def _inside_lines(heads: list[_Head], roots: dict[int, str], entries: int) -> Iterator[Line]:
    """The first row that disagrees, the newest that agrees: each busy minute has one."""
    lines = [_head_line(head, roots, entries) for head in heads]
    good = [line for line in lines if line.is_ok]
    bad = [line for line in lines if not line.is_ok]
    yield from bad[:1]
    if len(bad) > 1:
        yield Line(False, "checkpoint", f"{len(bad) - 1} more in the database disagree")
    yield from good[-1:]
    if len(lines) > 1:
        yield Line(
            True, "checkpoint", f"{len(good)} of {len(lines)} in the database agree with the log"
        )


def _head_line(head: _Head, roots: dict[int, str], entries: int) -> Line:
    what = "checkpoint"
    where = f"size {head.size} ({head.where})"
    if not head.is_signed:
        return Line(False, what, f"{where}: the log key did not sign it")
    if head.size > entries:
        return Line(
            False, what, f"{where}: the log has only {entries} verified entries", entries + 1
        )
    if roots.get(head.size) != head.root:
        return Line(False, what, f"{where}: root differs, history was rewritten", 1)
    return Line(True, what, f"{where}, root {head.root[:16]}, signature valid")


def _signature_lines() -> Iterator[Line]:
    signatures, records = counts()
    yield from _lines_of("signatures", signature_faults, f"{signatures} verify")
    yield from _lines_of("records", record_faults, f"{records} approved, each equals the facts")


def _thing_lines() -> Iterator[Line]:
    """What is in force or written down, compared with what the trail says of it."""
    number = {**acts.counts(), **facts.counts()}
    for what, find, said in _THINGS:
        yield from _lines_of(what, find, f"{number[what]} {said}")


def _lines_of(what: str, find: Callable[[], Iterable[str]], said: str) -> Iterator[Line]:
    """A line for each fault, or the one that says that there is none."""
    found = list(find())
    if found:
        # People act while this reads rows, then events: a fault is what a second look sees too.
        again = set(find())
        found = [text for text in found if text in again]
    for text in found[:MOST_LINES]:
        yield Line(False, what, text)
    if len(found) > MOST_LINES:
        yield Line(False, what, f"{len(found) - MOST_LINES} more")
    if not found:
        yield Line(True, what, said)


_THINGS: tuple[tuple[str, Callable[[], Iterable[str]], str], ...] = (
    ("approvals", acts.approval_faults, "in force, each signed by those who must"),
    ("permissions", acts.permission_faults, "open, each from an approval in force"),
    ("stops", acts.stop_faults, "as they were issued and released"),
    ("restores", acts.restore_faults, "as they were noticed and resumed"),
    ("versions", facts.version_faults, "have the files that were submitted"),
    ("aliases", facts.alias_faults, "mean what they were moved to"),
    ("evaluations", facts.evaluation_faults, "have the rows that were recorded"),
    ("checks", facts.check_faults, "runs have the results that were found"),
)


def _unsealed_line() -> Line:
    late = (
        AuditEvent.objects.filter(sequence__isnull=True, at__lt=clock.now() - SEAL_WITHIN)
        .order_by("id")
        .first()
    )
    if late:
        return Line(
            False,
            "sealing",
            f"event {late.uuid} of {late.at:%Y-%m-%d %H:%M:%S} UTC waits unsealed for more than "
            f"{SEAL_WITHIN.seconds} s: is the control process running?",
            None,
            str(late.uuid),
        )
    return Line(True, "sealing", "no event waits longer than 10 s")
