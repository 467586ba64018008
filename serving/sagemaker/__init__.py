"""The SageMaker LoRA container contract as a toolkit for Django and for the node."""
