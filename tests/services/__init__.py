"""Real servers that the tests start: PostgreSQL, S3, a Messages API, a network that fails."""
