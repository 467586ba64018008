"""Pure rules about facts: no Django, no clock, no I/O of its own."""
