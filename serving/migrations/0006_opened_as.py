"""Deployments say whether people of the house or a program opened them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds ``opened_as`` to deployments."""

    dependencies = [("serving", "0005_downloads")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="opened_as",
            field=models.CharField(
                choices=[("deployment", "deployment"), ("registration", "registration")],
                default="deployment",
                max_length=20,
            ),
        ),
    ]
