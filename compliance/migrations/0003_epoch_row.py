"""The row of counters that gateways poll."""

from django.db import migrations


def add_epoch(apps, schema_editor):
    """The one row of counters that gateways poll."""
    apps.get_model("compliance", "Epoch").objects.get_or_create(name="epoch")


class Migration(migrations.Migration):
    """Only data."""

    dependencies = [("compliance", "0002_immutable_rows")]
    operations = [migrations.RunPython(add_epoch, migrations.RunPython.noop)]
