"""What people's words become, and what a bank lists for them."""
