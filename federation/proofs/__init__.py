"""What can be shown to others, and checked by them without either bank.

evidence      what one bank signed and cannot be true
checking      what `verify` checks of the entries about neighbours
linkpack      what one bank's log holds of one link, for the other
reconciling   two banks' records of one link laid side by side
"""
