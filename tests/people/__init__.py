"""Who the account ids are, for as long as it is kept."""
