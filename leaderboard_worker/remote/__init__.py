"""Score submissions by jobs on the Hub's machines."""
