"""The compliance room's part of /api/v1/."""
