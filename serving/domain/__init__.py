"""Pure rules of serving: values in, decisions out."""
