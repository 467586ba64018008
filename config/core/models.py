"""Abstract bases of the rooms' models."""

import uuid

from django.db import models


class PublicModel(models.Model):
    """A row that people and programs refer to by a uuid."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True
