"""Pure rules about judgements: no Django, no clock, no I/O."""
