"""Legal holds on training files: what is held keeps its key, or the hold would keep noise."""

from collections.abc import Sequence

from registry.errors import TrainingFileHeld
from registry.models import Hold, TrainingFile


def refuse_held(files: Sequence[TrainingFile]) -> None:
    """Refuse to lose these files' texts; a hold may name the text's digest or the sealed bytes'.

    Inside the transaction that loses them: a hold that is being placed is waited for, and one that
    comes later finds the files gone.

    Raises:
        TrainingFileHeld: one of them is held.
    """
    lock_order = TrainingFile.objects.filter(pk__in=[file.pk for file in files]).order_by("pk")
    list(lock_order.select_for_update(no_key=True))
    digests = {file.sha256 for file in files} | {file.blob.sha256 for file in files}
    held = set(
        Hold.objects.filter(sha256__in=digests, released_at=None).values_list("sha256", flat=True)
    )
    count = sum(file.sha256 in held or file.blob.sha256 in held for file in files)
    if count:
        raise TrainingFileHeld(
            f"{count} of these training files are under a legal hold.",
            fix="Ask whoever placed the hold; until it is released the texts stay as they are.",
        )
