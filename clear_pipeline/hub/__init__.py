"""Models and logs on the Hub."""
