"""Who the random account ids are: private details, kept beside the log and forgotten when a member wants it.

people       handles, names and contacts, and the openings behind every commitment
naming       how an account is called
forgetting   private details erased
"""
