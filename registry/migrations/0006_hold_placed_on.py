"""A hold says by which reference its bytes were asked for."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0005_artifacts'),
    ]

    operations = [
        migrations.AddField(
            model_name='hold',
            name='placed_on',
            field=models.CharField(blank=True, max_length=200),
        ),
    ]
