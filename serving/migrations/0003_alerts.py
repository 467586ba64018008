"""Alerts with their history, and the control loop's signs of life."""

import uuid

import config.core.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("serving", "0002_replica_failures_and_drain"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("rule", models.CharField(max_length=40)),
                ("subject", models.CharField(blank=True, max_length=200)),
                ("severity", models.CharField(choices=[("critical", "critical"), ("warning", "warning")], max_length=10)),
                ("message", models.CharField(max_length=500)),
                ("fix", models.CharField(max_length=500)),
                ("since", models.DateTimeField()),
                ("opened_at", models.DateTimeField(default=config.core.clock.now)),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={"ordering": ["-pk"]},
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40, unique=True)),
                ("at", models.DateTimeField(default=config.core.clock.now)),
                ("duties", models.JSONField(default=dict)),
            ],
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)),
                fields=("rule", "subject"),
                name="one_open_alert_per_subject",
            ),
        ),
    ]
