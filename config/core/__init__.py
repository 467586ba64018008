"""The shared kernel: errors, states, events, clock, digests, storage. Imports no room."""
