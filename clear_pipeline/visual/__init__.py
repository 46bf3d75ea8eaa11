"""The visual track: many small face recognisers, methods that make them forget, and attacks that look for traces."""
