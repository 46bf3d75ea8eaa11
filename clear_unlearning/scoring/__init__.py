"""Score a batch of examples: from one prompt cache where the model allows it, else in separate passes."""
