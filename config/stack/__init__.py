"""The embedded services and the supervisor that starts everything with one command."""
