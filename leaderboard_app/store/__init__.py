"""The leaderboard's store: one SQLite file."""
