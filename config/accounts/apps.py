"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, persons, roles and tokens."""

    name = "config.accounts"
    label = "accounts"
