"""A read-only Hugging Face Hub endpoint over approved versions."""
