"""The state of a bank after each fact: one pure fold for node and auditor, over whatever holds its tables.

records   what the book keeps
tables    what the records stand in: all that the fold reads and writes
posting   the small strokes that every fold is made of
links     what facts about neighbours do
helping   what facts around help do
votes     what proposals and votes do
fold      the book, and what each fact does to it
"""
