"""What the data plane counts: answers and refusals of this process, by deployment.

Labels come from deployments that exist and from our own tables of arms, failures and error codes:
never from what a client sent.
"""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

from serving.metrics.labels import BoundedNames
from serving.services.answers import AnswerRow

FIRST_TOKEN_BUCKETS = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 10.0)
ANSWER_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_NAMED = ("deployment", "arm")


@dataclass
class AnswerMetrics:
    """Counters and histograms in a registry of their own."""

    registry: CollectorRegistry = field(
        default_factory=lambda: CollectorRegistry(auto_describe=True)
    )
    names: BoundedNames = field(default_factory=BoundedNames)
    codes: BoundedNames = field(default_factory=BoundedNames)

    def __post_init__(self) -> None:
        self._answers = Counter(
            "formulary_answers",
            "Answers by what became of them; outcome ok, replaced, or what was wrong",
            (*_NAMED, "outcome"),
            registry=self.registry,
        )
        self._refusals = Counter(
            "formulary_refusals",
            "Requests that got no answer, by the code of the error",
            ("code",),
            registry=self.registry,
        )
        self._first_token = Histogram(
            "formulary_first_token_seconds",
            "From the request to the first visible text",
            _NAMED,
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self.registry,
        )
        self._duration = Histogram(
            "formulary_answer_seconds",
            "From the request to the end of the answer",
            _NAMED,
            buckets=ANSWER_BUCKETS,
            registry=self.registry,
        )
        self._tokens = Counter(
            "formulary_tokens",
            "Tokens read (prompt) and written (completion)",
            ("deployment", "kind"),
            registry=self.registry,
        )

    def answered(self, row: AnswerRow, *, public_name: str) -> None:
        """Count one answer's row; a few microseconds, no I/O."""
        name, arm = self.names.of(public_name), str(row.arm)
        outcome = "replaced" if row.was_replaced else str(row.failure) or "ok"
        self._answers.labels(name, arm, outcome).inc()
        self._tokens.labels(name, "prompt").inc(row.prompt_tokens)
        self._tokens.labels(name, "completion").inc(row.completion_tokens)
        if row.first_token_ms is not None:
            self._first_token.labels(name, arm).observe(row.first_token_ms / 1000)
        self._duration.labels(name, arm).observe(row.duration_ms / 1000)

    def refused(self, code: str) -> None:
        """Count one request that was refused."""
        self._refusals.labels(self.codes.of(code)).inc()


# One data plane a process; its numbers start at 0 with it, as Prometheus expects of counters.
ANSWERS = AnswerMetrics()
