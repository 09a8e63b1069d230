"""What people ask to see, take along, and look back on after a year."""
