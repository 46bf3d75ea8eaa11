"""The leaderboard's worker: score submitted checkpoints in a sandbox, and keep the leaderboard."""
