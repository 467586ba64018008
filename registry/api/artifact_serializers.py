"""The artifact contract's bodies, as the OpenAPI document shows them."""

from typing import Any

from rest_framework import serializers


class RecordSerializer(serializers.Serializer[Any]):
    """A model's record; keys are empty where there is no such artifact."""

    name = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes of the model's file")
    license = serializers.CharField()
    model_key = serializers.CharField(allow_blank=True)
    code_key = serializers.CharField(allow_blank=True)
    dataset_key = serializers.CharField(allow_blank=True)
    scores = serializers.DictField(child=serializers.FloatField(min_value=0, max_value=1))
    scores_latency = serializers.DictField(child=serializers.IntegerField(help_text="ms"))


class ArtifactSerializer(serializers.Serializer[Any]):
    """Where an artifact lies, and its model's record."""

    artifact_type = serializers.ChoiceField(["model", "code", "dataset"])
    model_name = serializers.CharField()
    s3_key = serializers.CharField()
    model = RecordSerializer()


class ArtifactUploadedSerializer(ArtifactSerializer):
    """The same after an upload."""

    message = serializers.CharField()


class ArtifactUploadSerializer(serializers.Serializer[Any]):
    """A form."""

    file = serializers.FileField()
    model_name = serializers.CharField(required=False, max_length=200)


class ArtifactErrorSerializer(serializers.Serializer[Any]):
    """What is wrong."""

    error = serializers.CharField()
    error_code = serializers.CharField()
