"""What two banks say to each other, and carrying it. Imports ledger, never cli.

protocol     what is said and what comes of it; pure
carriers     how files get from one bank to the other

kept         what a bank keeps for its neighbours beside the log
witnessing   heads of neighbours: followed, kept, cosigned
sides        our side of each link, followed from the log
pairing      two banks come to know each other
deciding     whether an offered payment is taken, and whose an alias is
paying       from words to the order of a payment, and every payment in words
headnews     what a neighbour is to be told of our checkpoint key
doings       what a sync brought, and what came of it
turns        one turn on one link, in one transaction
proofs       what can be shown to others
accusing     the file of evidence that a freeze leaves behind
outbox       what this bank publishes for a neighbour
syncing      one sync with one neighbour, from pull to publish
settling     a link frozen or ended, settled between the two
rekeying     a new key for a link
office       which neighbours are synced, and how each is reached
neighbours   how each link stands, for people
statement    what was paid between the two, line by line
attention    what waits too long
"""
