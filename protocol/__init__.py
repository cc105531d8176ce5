"""What hub and client say to each other: pure pydantic."""
