"""What leaves the house: outgoing calls and deliveries."""

import environ

from config.core.egress_rules import Rules
from deliveries.domain.commands import read_commands

from .house import env

# Hosts and networks that outgoing calls may reach (config/core/egress_rules.py).
EGRESS_ALLOW = env.list("EGRESS_ALLOW", default=[])
try:
    Rules.parse(EGRESS_ALLOW)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"EGRESS_ALLOW: {_error}") from None
# Name and argument list of what the cli channel may run.
DELIVERY_COMMANDS = env.json("DELIVERY_COMMANDS", default={})
try:
    read_commands(DELIVERY_COMMANDS)
except ValueError as _error:
    raise environ.ImproperlyConfigured(f"DELIVERY_COMMANDS: {_error}") from None
DELIVERY_S3_BUCKET = env.str("DELIVERY_S3_BUCKET", default="")
DELIVERY_S3_PREFIX = env.str("DELIVERY_S3_PREFIX", default="deliveries")
# Of one try, from resolving the name to the last byte of the answer.
DELIVERY_TIMEOUT_SECONDS = env.float("DELIVERY_TIMEOUT_SECONDS", default=30.0)
DELIVERY_RATE_PER_MINUTE = env.int("DELIVERY_RATE_PER_MINUTE", default=600)
# The texts of a delivery are removed so long after its end.
DELIVERY_TEXT_DAYS = env.int("DELIVERY_TEXT_DAYS", default=30)
