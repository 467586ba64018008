"""Engine profiles that people change or add."""

from django.db import migrations, models

import config.core.clock


class Migration(migrations.Migration):
    """Adds the table of engine profiles."""

    dependencies = [("serving", "0006_opened_as")]

    operations = [
        migrations.CreateModel(
            name="EngineProfileRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("register_request_shape", models.JSONField(blank=True, default=dict)),
                ("register_response_shape", models.JSONField(blank=True, default=dict)),
                ("unregister_request_shape", models.JSONField(blank=True, default=dict)),
                ("unregister_response_shape", models.JSONField(blank=True, default=dict)),
                ("adapter_path", models.CharField(default="model", max_length=100)),
                ("is_appended", models.BooleanField(default=False)),
                ("separator", models.CharField(blank=True, max_length=20)),
                ("is_used_by_door", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField(default=config.core.clock.now)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_used_by_door", True)),
                        fields=("is_used_by_door",),
                        name="one_engine_profile_for_the_door",
                    )
                ],
            },
        ),
    ]
