"""Good and faulty adapters and a tiny base, made when a test asks for them."""
