"""Keeping a bank in order, and bringing it back: copies, repairs, and what to look at today.

rebuild      the tables made anew from the log
reopening    the entry by which a log goes on whose published entries are lost for good
backup       a copy of a bank in one file
doctor       what is wrong, and what to do
sources      what a bank is made again from: a backup, or a published folder
restore      a bank made again from them
relocating   a bank's database moved to another place
attention    what wants attention today
"""
