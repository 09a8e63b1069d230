"""Who the random account ids are: private details, kept beside the log and forgotten when a member wants it.

register     handles, names and contacts, and the openings behind every commitment
naming       what entries say of how an account is called, as far as it is kept
forgetting   private details erased
"""
