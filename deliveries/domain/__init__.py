"""Pure rules of the deliveries room."""
