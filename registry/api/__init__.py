"""The registry through REST, under /api/v1/."""
