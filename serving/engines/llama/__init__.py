"""A Llama forward pass of our own, with LoRA slots and memory per row; used by the torch engine."""
