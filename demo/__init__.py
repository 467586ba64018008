"""The demo: an invented triage task, four small adapters for it, and the walk through them."""
