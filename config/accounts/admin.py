"""People, accounts, roles and tokens as read-only records."""

from config.core.admin import ReadOnlyAdmin, record

from .models import ApiToken, Person, RoleGrant, User


@record(Person)
class PersonAdmin(ReadOnlyAdmin):
    """Human beings."""

    list_display = ["printed_name", "employee_id", "is_demo", "created_at"]
    search_fields = ["printed_name", "employee_id"]
    list_filter = ["is_demo"]


@record(User)
class UserAdmin(ReadOnlyAdmin):
    """Accounts."""

    list_display = ["username", "person", "is_active", "last_login"]
    list_select_related = ["person"]
    list_filter = ["is_active"]
    search_fields = ["username", "person__printed_name"]
    fields = ["username", "person", "email", "is_active", "last_login", "date_joined"]


@record(RoleGrant)
class RoleGrantAdmin(ReadOnlyAdmin):
    """Roles held now and before."""

    list_display = ["user", "role", "granted_by", "granted_at", "ended_at"]
    list_select_related = ["user__person", "granted_by__person"]
    list_filter = ["role"]
    search_fields = ["user__username"]


@record(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Programs' credentials, without what could be used."""

    list_display = ["name", "prefix", "user", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["user__person"]
    search_fields = ["name", "prefix", "user__username"]
    fields = [
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
