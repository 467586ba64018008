"""People: users, persons, roles and API tokens. A layer between config.core and registry."""
