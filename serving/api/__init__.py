"""The API of serving under /api/v1/."""
