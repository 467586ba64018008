"""Shapes of serving's API: deployments and rollouts."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving.models import AnalysisRun, Deployment, Revision, Rollout, RolloutStep
from serving.selectors import rollouts as rollout_reads
from serving.selectors.deployments import revision_name
from serving.strategies import CHOSEN_BY_PEOPLE


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """One numbered spec of a deployment."""

    runtime_name = serializers.SerializerMethodField()

    class Meta:
        model = Revision
        fields = ["uuid", "number", "runtime_name", "digest", "created_at"]
        read_only_fields = fields

    def get_runtime_name(self, revision: Revision) -> str:
        """``slug@<12 hex>``."""
        return revision_name(revision.deployment, revision)


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """A public name with what answers under it now."""

    adapter = serializers.CharField(source="adapter.ref", read_only=True, default=None)
    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    output_contract = serializers.JSONField(read_only=True)
    policy = serializers.JSONField(read_only=True)
    stable_runtime_name = serializers.SerializerMethodField()
    stable_revision_number = serializers.IntegerField(
        source="stable_revision.number", read_only=True, default=None
    )
    open_rollout = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields = [
            "uuid",
            "public_name",
            "title",
            "adapter",
            "base_model",
            "output_contract",
            "policy",
            "stable_runtime_name",
            "stable_revision_number",
            "stable_since",
            "open_rollout",
            "is_enabled",
            "created_at",
        ]
        read_only_fields = fields

    def get_stable_runtime_name(self, deployment: Deployment) -> str:
        """``slug@<12 hex>`` of what answers; empty while nothing does."""
        return revision_name(deployment, deployment.stable_revision)

    def get_open_rollout(self, deployment: Deployment) -> str | None:
        """The uuid of the rollout under way."""
        found = getattr(deployment, "open_rollouts", None)
        return str(found[0].uuid) if found else None


class DeploymentRequestSerializer(serializers.Serializer[Any]):
    """A deployment to open; without ``adapter`` it serves the base itself."""

    public_name = serializers.CharField(max_length=100)
    title = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    adapter = serializers.CharField(max_length=200, required=False, help_text="Slug or uuid")
    base_model = serializers.CharField(max_length=100, required=False)
    output_contract = serializers.DictField(required=False, default=dict)
    policy = serializers.DictField(required=False, default=dict)


class CountsSerializer(serializers.Serializer[Any]):
    """Answers of a deployment since it exists."""

    answers = serializers.IntegerField()
    failed = serializers.IntegerField()
    replaced_by_stable = serializers.IntegerField()
    reported = serializers.IntegerField()


class ExpectationSerializer(serializers.Serializer[Any]):
    """What a canary's decision will cost."""

    requests = serializers.IntegerField(allow_null=True)
    candidate_answers = serializers.IntegerField(allow_null=True)
    days = serializers.FloatField(allow_null=True)
    words = serializers.CharField()


class PreviewRequestSerializer(serializers.Serializer[Any]):
    """The rollout that might be started."""

    deployment = serializers.CharField(max_length=100)
    version = serializers.CharField(max_length=300, required=False, help_text="uuid or ref")
    strategy = serializers.ChoiceField(
        choices=list(CHOSEN_BY_PEOPLE), required=False, default=CHOSEN_BY_PEOPLE[0]
    )


class StageForecastSerializer(serializers.Serializer[Any]):
    """One stage of a candidate that answers exactly as its rates say."""

    stage = serializers.IntegerField()
    weight_percent = serializers.IntegerField()
    requests = serializers.IntegerField()
    candidate_answers = serializers.IntegerField()
    verdict = serializers.CharField()


class PreviewCaseSerializer(serializers.Serializer[Any]):
    """What one kind of candidate will take."""

    kind = serializers.CharField(help_text="good, failing or reported")
    words = serializers.CharField()
    failure_rate = serializers.FloatField(help_text="Assumed share of its answers that fail")
    report_rate = serializers.FloatField(help_text="Assumed share of its answers reported as bad")
    verdict = serializers.CharField()
    requests = serializers.IntegerField()
    candidate_answers = serializers.IntegerField()
    days = serializers.FloatField(allow_null=True)
    stages = StageForecastSerializer(many=True)


class PreviewSerializer(serializers.Serializer[Any]):
    """What a rollout is expected to cost."""

    strategy = serializers.CharField()
    is_first = serializers.BooleanField()
    answers_a_day = serializers.FloatField(help_text="Mean of the last seven days")
    evaluation_answers = serializers.IntegerField(help_text="Asked for before any traffic")
    max_requests = serializers.IntegerField(help_text="Then a person is asked")
    max_days = serializers.FloatField()
    cases = PreviewCaseSerializer(many=True)
    words = serializers.CharField()


class StepSerializer(serializers.ModelSerializer[RolloutStep]):
    """One step of a rollout."""

    params = serializers.JSONField(read_only=True)

    class Meta:
        model = RolloutStep
        fields = ["index", "kind", "params", "state", "detail", "started_at", "finished_at"]
        read_only_fields = fields


class EvidenceSerializer(serializers.ModelSerializer[AnalysisRun]):
    """What one signal said at one moment."""

    detail = serializers.JSONField(read_only=True)

    class Meta:
        model = AnalysisRun
        fields = [
            "signal",
            "step_index",
            "stage",
            "verdict",
            "requests_count",
            "canary_count",
            "canary_bad_count",
            "stable_count",
            "stable_bad_count",
            "log10_worse",
            "log10_safe",
            "log10_limit",
            "needed_requests",
            "detail",
            "at",
        ]
        read_only_fields = fields


class RolloutSerializer(serializers.ModelSerializer[Rollout]):
    """A rollout with its steps and the newest reading of each signal."""

    deployment = serializers.CharField(source="deployment.public_name", read_only=True)
    # Plain text: the list and the detail would else want the same name for its choices.
    state = serializers.CharField(read_only=True, help_text="See serving.states.RolloutState")
    paused_kind = serializers.CharField(
        read_only=True, help_text="person, step, inconclusive or trouble; empty while not paused"
    )
    from_runtime_name = serializers.SerializerMethodField()
    to_runtime_name = serializers.SerializerMethodField()
    started_by = serializers.CharField(source="started_by.username", read_only=True)
    progress_percentage = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()
    steps = StepSerializer(many=True, read_only=True)
    readings = serializers.SerializerMethodField()

    class Meta:
        model = Rollout
        fields = [
            "uuid",
            "deployment",
            "from_runtime_name",
            "to_runtime_name",
            "strategy",
            "state",
            "stage",
            "weight_percent",
            "trigger",
            "reason",
            "paused_reason",
            "paused_kind",
            "requests_count",
            "progress_percentage",
            "sentence",
            "steps",
            "readings",
            "started_by",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_from_runtime_name(self, rollout: Rollout) -> str:
        """What was stable when it began."""
        return revision_name(rollout.deployment, rollout.from_revision)

    def get_to_runtime_name(self, rollout: Rollout) -> str:
        """What it brings."""
        return revision_name(rollout.deployment, rollout.to_revision)

    def get_progress_percentage(self, rollout: Rollout) -> int:
        """0 to 100; 100 only at the end."""
        return rollout_reads.progress_of(rollout)

    def get_sentence(self, rollout: Rollout) -> str:
        """What is going on, in plain words."""
        return rollout_reads.sentence(rollout)

    @extend_schema_field(EvidenceSerializer(many=True))
    def get_readings(self, rollout: Rollout) -> list[dict[str, Any]]:
        """The newest reading of each signal."""
        rows = rollout_reads.latest_readings(rollout).values()
        return [dict(EvidenceSerializer(row).data) for row in rows]


class RolloutLineSerializer(RolloutSerializer):
    """A rollout in a list: without its readings."""

    class Meta(RolloutSerializer.Meta):
        fields = [
            name
            for name in RolloutSerializer.Meta.fields
            if name not in {"readings", "steps", "progress_percentage"}
        ]
        read_only_fields = fields

    readings = None  # type: ignore[assignment]
    steps = None  # type: ignore[assignment]
    progress_percentage = None  # type: ignore[assignment]


class RolloutRequestSerializer(serializers.Serializer[Any]):
    """A rollout to start; without ``version`` the base itself, with a reason."""

    deployment = serializers.CharField(max_length=100)
    version = serializers.CharField(max_length=300, required=False, help_text="uuid or ref")
    strategy = serializers.ChoiceField(
        choices=list(CHOSEN_BY_PEOPLE), required=False, default=CHOSEN_BY_PEOPLE[0]
    )
    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class RollbackRequestSerializer(serializers.Serializer[Any]):
    """Back from the version in use; without ``to`` to the one before it."""

    reason = serializers.CharField(max_length=1000)
    to = serializers.CharField(max_length=300, required=False, help_text="uuid or ref")
    leaving = serializers.CharField(
        max_length=300,
        required=False,
        help_text="uuid or ref of the version to be rid of; another one in use is a conflict",
    )


class DeployingReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=1000)
