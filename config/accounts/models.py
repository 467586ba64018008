"""Persons, their accounts, the roles they hold and the tokens of their programs."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel

from .roles import Role


class Person(PublicModel):
    """A human being; signatures count persons, not accounts."""

    printed_name = models.CharField(max_length=200)
    employee_id = models.CharField(
        max_length=100, unique=True, help_text="The identity provider's id of this employee"
    )
    is_demo = models.BooleanField(default=False, help_text="An invented person of the demo")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.printed_name


class User(AbstractUser):
    """An account with which a person signs in. One person may hold several."""

    person = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.PROTECT, related_name="users"
    )

    def __str__(self) -> str:
        return self.person.printed_name if self.person_id and self.person else self.username


class RoleGrant(models.Model):
    """A role held by an account from ``granted_at`` until ``ended_at``."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=40, choices=[(role, role) for role in Role])
    granted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=Q(ended_at__isnull=True),
                name="one_open_grant_per_user_and_role",
            )
        ]


class ApiToken(PublicModel):
    """A program's credential: only its SHA-256 is stored; it is scoped and expires."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, help_text="The first letters, to tell tokens apart")
    token_sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    node_name = models.CharField(
        max_length=100, blank=True, help_text="Set on the token of a node's agent"
    )
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]


class TotpUse(models.Model):
    """The newest time step whose code an account has used: that code, or an older one, is spent."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp_use")
    last_counter = models.BigIntegerField(default=0, help_text="Unix time divided by the period")


class IdempotencyKey(models.Model):
    """A key that a caller gave to a writing request, and the answer that it got.

    ::

        working ─▶ answered
           └─────▶ lost (the act is done, its answer was never stored)
    """

    class State(models.TextChoices):
        """Where the request is."""

        WORKING = "working"
        ANSWERED = "answered"
        LOST = "lost"

    principal = models.CharField(max_length=40, help_text="The token or the account that gave it")
    key = models.CharField(max_length=200)
    request_mac = models.CharField(
        max_length=64, help_text="Keyed hash of method, address and body: a body may hold secrets"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WORKING)
    attempt = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=clock.now, db_index=True)
    alive_at = models.DateTimeField(default=clock.now)
    acted = models.CharField(
        max_length=200, blank=True, help_text="The act that committed under this key"
    )
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body_encrypted = models.BinaryField(null=True, help_text="None: the answer is not kept")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["principal", "key"], name="one_request_per_caller_and_key"
            )
        ]
