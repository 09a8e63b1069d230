"""The append-only log and the book's tables: one database, SQLite by default, PostgreSQL with the same code.

`Store.reading()` is one read-only snapshot and starts fast (on SQLite without the event-sourcing library);
`Store.writing()` is one transaction with the write lock taken first. Entries go in through `Writing.append`, which
checks that they follow the head, and are never updated or deleted: no statement here does either. What the database
says when it cannot is turned into a code a person can act on.

address     where a bank's database is
sql         the tables in SQL, and a cursor that hides what two databases spell apart
tiles       the tree in a database, in pieces
log         the log as it is read
tables      the book's tables in a database
standing    how a database stands when it is opened, and whether this program may use it

sqlite      an SQLite database as one command uses it

line        one connection to a PostgreSQL server
foreseen    a cursor inside a transaction there, which may not have begun
postgres    a PostgreSQL database as one command uses it
pglog       the log there
turns       programs that write to one server without a pause take turns

troubles    what the databases say when they cannot
lost        a commit whose answer was lost: whether it was kept, and what to say of it
wiping      what erased rows leave in a database's files, overwritten
recorders   the log's writer
writing     the log inside a writing transaction
database    a bank's database: read in one snapshot, written in one transaction
"""
