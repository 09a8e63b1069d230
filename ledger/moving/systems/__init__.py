"""One module a system people move in from; each reads its files into a `gathering.Gathering`.

languages       the words TimeOverflow writes in each language
timeoverflow    TimeOverflow
komunitin       Komunitin
nexus           Project NEXUS
mutual_credit   Drupal's mutual_credit
cyclos3         Cyclos 3
csvfile         plain CSV in this ledger's own words
journal         an hledger journal, cut into pieces
installed       the installed hledger, which reads them
hledger         hledger: its own CSV, or a journal
"""
