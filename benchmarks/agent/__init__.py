"""What the volunteer client costs between two trainings."""
