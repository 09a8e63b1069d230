"""What tests share.

postgres     a server for one run
lines        a line to it that tests can cut
poolers      a pooler before it
stores       where the banks of tests keep their log: in files, or on the server
builders     small banks, in a line each
neighbours   two banks that talk, in memory
crossings    a bank on disk that pays across
across       banks on disk that have paired
terminal     a person who types, in this process
console      a console for transcripts
faulty       a disk that fails when it is told to, and disk.c beneath it
children     processes that die, or fail at a chosen step
example      the worked example of FORMAT.md
browser      Chromium, and what it sees
"""
