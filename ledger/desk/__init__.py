"""What comes over the desk: from people's words to facts, and the same as it is listed for them.

mandates      who may sign for whom
keyholders    who holds which key
listings      what people can do and what they need
proposals     an entry on its way round for signatures
exchanges     who gave, who received, how long
policyfile    a policy as a file that people read, change and adopt
polls         proposals of policy, and the votes on them
accounts      opened, edited, suspended, closed
succession    an office's key file gives way to a new one
matching      offers against needs
telling       an entry in one plain line
sheet         a whole day, one exchange a line
paybacks      hours given up front
referrals     who sent whom, and nobody can see whom
holdings      what a bank holds about one account
"""
