"""The commands of the leaderboard: leaderboard, submit, worker."""
