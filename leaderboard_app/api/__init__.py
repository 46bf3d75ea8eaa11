"""The leaderboard for programs: endpoints and the workers' queue."""
