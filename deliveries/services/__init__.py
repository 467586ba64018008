"""The only writers of the deliveries room."""
