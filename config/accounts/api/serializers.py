"""Shapes of the tokens' API."""

from rest_framework import serializers

from config.accounts.models import ApiToken


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token without its text."""

    user = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiToken
        fields = [
            "uuid",
            "name",
            "prefix",
            "user",
            "scopes",
            "node_name",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ]
        read_only_fields = fields


class IssuedTokenSerializer(TokenSerializer):
    """A token with its text, which is shown this once."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = ["token", *TokenSerializer.Meta.fields]
        read_only_fields = fields


class TokenRequestSerializer(serializers.Serializer[None]):
    """What a new token is to be."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.CharField(max_length=40), allow_empty=False)
    days = serializers.IntegerField(default=90, min_value=1, max_value=90)


class ProblemSerializer(serializers.Serializer[None]):
    """RFC 9457 problem document: what is wrong, where, and how to mend it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    request_id = serializers.CharField()
    fix = serializers.CharField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )
