"""What programs say of adapters is kept; a replica knows when its newest load was begun."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import config.core.clock


class Migration(migrations.Migration):
    """Adds a table and a column; nothing that is there changes."""

    dependencies = [
        ("registry", "0005_artifacts"),
        ("serving", "0007_engine_profiles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="claimed_at",
            field=models.DateTimeField(null=True, help_text="When the newest load was begun"),
        ),
        migrations.CreateModel(
            name="SelfDescription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("values", models.JSONField(default=dict)),
                ("stated_at", models.DateTimeField(default=config.core.clock.now)),
                ("adapter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.adapter")),
                ("version", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.version")),
                ("stated_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("version__isnull", True)),
                        fields=("adapter",),
                        name="one_self_description_per_adapter",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("version__isnull", False)),
                        fields=("version",),
                        name="one_self_description_per_version",
                    ),
                ],
            },
        ),
    ]
