"""The leaderboard: submissions are stored here, scored by a worker elsewhere, and shown by the Space. No torch."""
