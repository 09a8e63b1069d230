"""Every code a refusal can carry: what it means, and the usual next step. FORMAT.md shows this table."""

from __future__ import annotations

#: code: (what it means, the usual next step)
CODES: dict[str, tuple[str, str]] = {
    "absurd_time": (
        "the time is more than 10,000 hours",
        "check the unit: 90m is minutes, 90h is hours",
    ),
    "account_closed": (
        "an account is closed for good",
        "open a new account for this person",
    ),
    "account_exists": (
        "an account id is already open",
        "open the account again: a fresh id is drawn",
    ),
    "account_open": (
        "an account is not suspended",
        "nothing needs doing",
    ),
    "account_suspended": (
        "an account is suspended",
        "resume it first: timebank account resume HANDLE",
    ),
    "address_taken": (
        "the server cannot listen where it was told to",
        "choose another: --host, --port",
    ),
    "agent_refused": (
        "ssh-agent would not sign",
        "unlock the agent (ssh-add -X), or confirm when it asks, and run the same command again",
    ),
    "agent_unavailable": (
        "no ssh-agent answers",
        "start one with: eval $(ssh-agent), or name the private key file",
    ),
    "agent_without_key": (
        "ssh-agent does not hold this key",
        "add it with ssh-add and the name of the private key file; if the agent is locked, unlock it with ssh-add -X",
    ),
    "already_adopted": (
        "a proposal was adopted before",
        "see the policy: timebank policy show",
    ),
    "already_disputed": (
        "an exchange is already in dispute",
        "wait for the committee's verdict, or read it: timebank exchange show ENTRY",
    ),
    "already_erased": (
        "a private detail was erased before",
        "nothing needs doing",
    ),
    "already_recorded": (
        "this very entry is in the log",
        "nothing needs doing: it was recorded once, and counts once",
    ),
    "already_referred": (
        "an institution has referred somebody, and that referral is open",
        "nothing needs doing; to end it: timebank referral close",
    ),
    "already_reversed": (
        "an exchange has been reversed before",
        "record a new exchange if the reversal was wrong",
    ),
    "already_voted": (
        "an account has said the same to this proposal before",
        "nothing needs doing: it counts once",
    ),
    "ambiguous_date": (
        "a day of the import may be day/month or month/day, and no other day decides",
        "say which: --dates dmy or --dates mdy",
    ),
    "ambiguous_handle": (
        "a name is borne by several members",
        "use one of their handles",
    ),
    "ambiguous_key": (
        "more than one key is meant",
        "name one by the beginning of its hash: timebank key list",
    ),
    "ambiguous_mandate": (
        "more than one mandate is meant",
        "name one by its id: timebank mandate list",
    ),
    "ambiguous_name": (
        "two names of the import may be one member or two",
        "say which, with the option named",
    ),
    "ambiguous_number": (
        "a number of the import may have decimals or thousands",
        "say which mark parts the decimals: --decimal comma or --decimal point",
    ),
    "amid_trading": (
        "an import comes after people have begun to trade here",
        "if the committee wants it so: --amid-trading",
    ),
    "backup_damaged": (
        "a backup is cut or changed",
        "use another backup; this one may have been cut off while it was copied",
    ),
    "bad_address": (
        "a web address is not one that a neighbour can be read under",
        "give it like https://elm.example/hours; plain http is for this machine only",
    ),
    "bad_body": (
        "the fourth line of an entry does not say what its kind must say",
        "the entry was made by another program, or changed; ask whoever sent it",
    ),
    "bad_bundle": (
        "bytes are not a bundle of a neighbour's files",
        "have the file sent again; a later one holds all that this one did",
    ),
    "bad_card": (
        "bytes are not the card of a bank that pairs",
        "have the file sent again",
    ),
    "bad_category": (
        "a category is not 1 to 40 characters of words joined by -",
        "use a word such as gardening or home-care",
    ),
    "bad_checkpoint": (
        "the text of a head is not a checkpoint",
        "fetch the head again; if it stays wrong, ask the bank that signed it",
    ),
    "bad_config": (
        "timebank.toml cannot be understood",
        "compare it with a fresh one: timebank init makes it",
    ),
    "bad_consent": (
        "the word for how consent was given is not one",
        "write a word such as paper, by-phone or in-person",
    ),
    "bad_consistency_proof": (
        "the newer head does not continue the older one",
        "keep both heads and show them to the committee: history may have been rewritten",
    ),
    "bad_date": (
        "the date cannot be read or is not in the calendar",
        "write year-month-day, or today, or yesterday",
    ),
    "bad_entry": (
        "bytes do not have the form of an entry",
        "the bytes were changed or cut; restore the log from a backup",
    ),
    "bad_entry_name": (
        "a word is not an entry's number, hash or id",
        "use the number under `entry` in: timebank exchange list",
    ),
    "bad_escrow": (
        "a sealed batch of the escrow cannot be opened",
        "use the recovery key it was sealed for; if it is that one, fetch the file again",
    ),
    "bad_evidence": (
        "a file of evidence does not prove what it says",
        "ask whoever made it",
    ),
    "bad_folder": (
        "a published folder is not as timebank writes it",
        "fetch it again, file by file; it holds no links",
    ),
    "bad_founding": (
        "a founding does not name the keys every bank needs",
        "found banks with timebank init",
    ),
    "bad_frame": (
        "bytes do not have the form of a frame between banks",
        "fetch it again; if it comes so again, ask the neighbour",
    ),
    "bad_handle": (
        "a handle is not 1 to 40 letters, digits, '.', '_' or '-', the first a letter or digit",
        "choose a short name such as ada or green.lane-surgery",
    ),
    "bad_heading": (
        "the first line of an imported file does not name the columns it must",
        "export the file again, or restore its first line",
    ),
    "bad_inclusion_proof": (
        "the proof does not show that the entry is in the log",
        "ask the bank for a new receipt; if it fails again, tell the committee and keep both",
    ),
    "bad_invoice": (
        "bytes are not an invoice of a neighbour",
        "have the file sent again",
    ),
    "bad_key_name": (
        "a name cannot stand beside a key",
        "use letters, digits, dots, hyphens and slashes; no space and no plus",
    ),
    "bad_link_pack": (
        "bytes are not what a neighbour's log holds of a link",
        "have it made again: timebank log pack FILE --link NAME, at the neighbour's",
    ),
    "bad_note": (
        "the bytes are not a signed note",
        "fetch or copy the file again, byte for byte; an editor may have changed it",
    ),
    "bad_origin": (
        "an origin is not like a web name with a path",
        "use a name that is yours, such as rushey-green.example/hours",
    ),
    "bad_pack": (
        "a file is not an audit pack as timebank writes it",
        "ask for it again, whole; timebank log pack FILE makes one",
    ),
    "bad_payee": (
        "whom to pay is not said as MEMBER@NEIGHBOUR",
        "write mary@lewisham, or the alias they gave you: k7q2m4xabc@lewisham",
    ),
    "bad_point": (
        "what --at names is no point of the log",
        "name a size, a date, or a file with a signed checkpoint (timebank log checkpoint > FILE)",
    ),
    "bad_policy": (
        "a file does not say a policy",
        "compare it with the one in force: timebank policy show",
    ),
    "bad_proof": (
        "bytes are not a receipt",
        "ask the bank for a new receipt, and copy the file byte for byte",
    ),
    "bad_proposal": (
        "a file is not a proposal",
        "ask for the file again; it begins with timebank/proposal/v1",
    ),
    "bad_quotes": (
        "a line of an imported file has quotes that do not match",
        "mend the line: a quote inside a quoted cell is doubled",
    ),
    "bad_reopening": (
        "what reopens a log does not fit the old head, or the entries that are here",
        "draft it anew here, with the highest head there is: timebank log reopen --head FILE",
    ),
    "bad_row": (
        "a line of an imported file has not the cells it must have",
        "compare it with its neighbours and mend it",
    ),
    "bad_seal": (
        "sealed bytes do not open",
        "fetch it again; if it comes so again, ask the neighbour",
    ),
    "bad_settlement": (
        "a settlement is not of this link, or not signed by both banks",
        "have the neighbour sign it again: timebank neighbour settle NAME",
    ),
    "bad_sheet": (
        "a line of a day sheet cannot be understood",
        "the columns are giver, receiver, time, for, category, on, nature, free, again",
    ),
    "bad_signature": (
        "a signature is not by this key over these bytes",
        "trust nothing in these bytes; ask whoever signed them to send them again",
    ),
    "bad_size": (
        "a size is not one the log has had",
        "use a number from 1 to the log's size",
    ),
    "bad_ssh_key": (
        "a line is not an ssh-ed25519 public key",
        "copy the one line of the .pub file again; make keys with ssh-keygen -t ed25519",
    ),
    "bad_state": (
        "a file is not a state that verify saved, or was changed",
        "verify the whole once more, and save a new state: --save FILE",
    ),
    "bad_text": (
        "a text holds a control, invisible or direction-changing character",
        "type it again by hand instead of pasting it",
    ),
    "bad_threshold": (
        "a threshold does not fit the number of keys",
        "use at least 1, and at most as many as there are keys",
    ),
    "bad_tile": (
        "a hash tile is too short, too long or ragged",
        "rebuild the tables: timebank rebuild; of what was published, fetch the folder again",
    ),
    "bad_tile_path": (
        "a file name is not that of a tile",
        "publish the folder again; names are as in C2SP tlog-tiles",
    ),
    "bad_time": (
        "the time cannot be read",
        "write 1h30, 1:30, 90m or 1.5h",
    ),
    "bad_vkey": (
        "a line is not a verifier key",
        "copy the whole line NAME+ID+KEY again, from the bank itself",
    ),
    "balance_differs": (
        "a stated balance is not what the rows give",
        "look for rows that are missing; --opening books the difference as an opening entry",
    ),
    "balances_differ": (
        "two banks that settle count different balances, and nobody said which stands",
        "agree by telephone, and say it: --we-owe TIME or --they-owe TIME",
    ),
    "bank_exists": (
        "there is already a bank in this folder",
        "use another folder, or work with the bank that is there",
    ),
    "before_founding": (
        "a date of service lies before the bank was founded",
        "check the year of the date",
    ),
    "blank_member": (
        "a side of an imported payment is blank",
        "--blank pot if a blank name is the community fund",
    ),
    "card_mismatch": (
        "a card does not answer the invitation given",
        "answer the newest invitation: timebank neighbour join FILE",
    ),
    "ceiling": (
        "a balance would rise above its ceiling",
        "let the member spend some hours first, or donate some to the pot",
    ),
    "checkpoint_key_missing": (
        "the key that signs heads is not at hand",
        "put it back into keys/, or rotate it: timebank key rotate checkpoint; record nothing in a mere copy",
    ),
    "clock_behind": (
        "this machine's clock is behind the ledger day",
        "set the clock; a ledger day that ran ahead stays until the date comes",
    ),
    "clock_jump": (
        "the clock is more than two years ahead of the last ledger day",
        "set this machine's clock; if it is right: timebank log open-day DATE",
    ),
    "commit_unknown": (
        "a connection ended before it was known whether an entry was kept",
        "look, when the server answers again: timebank log entries; and repeat only what is not there",
    ),
    "conflicting_id": (
        "an id of the old system stands for two different things",
        "find out which is right, and take out the other",
    ),
    "count_differs": (
        "the old system counts other rows than the files hold",
        "look for rows that are missing or told twice",
    ),
    "cut_line": (
        "the last line of an imported file is not whole",
        "export or copy the file again",
    ),
    "cut_short": (
        "an export stops before the end",
        "export the missing time or account as a file of its own, and give both",
    ),
    "database_damaged": (
        "the database file is damaged",
        "restore the newest backup: timebank restore FILE DIR",
    ),
    "database_elsewhere": (
        "the settings in a folder that may be anybody's name a database that is no file in it",
        "ask for an audit pack or a published folder; if the bank is your own, name it: timebank verify --bank DIR",
    ),
    "database_encoding": (
        "the database does not keep every name: it is not in UTF8",
        "make one that does, and name it in the URL: createdb --encoding UTF8 --template template0 NAME",
    ),
    "database_error": (
        "the database reports an error",
        "run the command again; if it stays, look at the database's own log",
    ),
    "database_locked": (
        "another program holds the database",
        "wait until it has finished, then run the same command again",
    ),
    "database_login": (
        "the database server lets nobody in with this user, password and database",
        "check user and database in the URL, and the password: in ~/.pgpass, PGPASSWORD or database.pgpass",
    ),
    "database_missing": (
        "there is no database where one should be",
        "check the folder, or restore a backup: timebank restore FILE DIR",
    ),
    "database_read_only": (
        "the database may not be written",
        "check the owner and the mode of the folder and of bank.db",
    ),
    "database_replica": (
        "the database server is a replica, or set to be read only",
        "name the primary in timebank.toml, or every host and target_session_attrs=read-write",
    ),
    "database_rights": (
        "the database role lacks a right",
        "have its owner grant it: CREATE on the database, or a schema of its own: CREATE SCHEMA ... AUTHORIZATION ...",
    ),
    "database_timeout": (
        "the database server ended the work before it was done",
        "run it again; if it stays, have the limit lifted, such as: ALTER ROLE USER SET statement_timeout = 0",
    ),
    "database_unreachable": (
        "the database server does not answer",
        "check that PostgreSQL runs and that the URL is right, as it was typed or in timebank.toml",
    ),
    "day_not_later": (
        "a ledger day must come after the one before",
        "check this machine's clock",
    ),
    "day_unopened": (
        "the ledger day is not today's",
        "nothing needs doing: the next entry opens the day",
    ),
    "deadline_passed": (
        "the command took longer for this bank than --timeout says, and was stopped",
        "see what holds it up: timebank doctor --bank DIR; or give it longer: --timeout",
    ),
    "disk_error": (
        "the disk reports an error",
        "copy what you can to another disk, then run timebank verify there",
    ),
    "disk_full": (
        "the disk is full; nothing was recorded",
        "make room, then run the same command again",
    ),
    "disk_low": (
        "the disk is nearly full",
        "make room before recording: copy backups elsewhere",
    ),
    "duplicate_id": (
        "an id of the old system stands in a file twice",
        "take out one of the two lines",
    ),
    "empty_file": (
        "an imported file holds nothing",
        "export it again, or leave it out",
    ),
    "empty_text": (
        "a text that must say something is empty",
        "write at least one visible character",
    ),
    "encoding": (
        "an imported file is not, or not wholly, UTF-8",
        "say which encoding it is, such as --encoding cp1252",
    ),
    "entries_given_up": (
        "a head or a saved state is over entries that were lost, before the log was reopened",
        "verify the log whole, by the same founding; whoever has those entries can show them to the committee",
    ),
    "erased_kept": (
        "a private detail that was erased is still kept",
        "make the tables anew, which erases it again: timebank rebuild",
    ),
    "extra_missing": (
        "a part of timebank that this needs is not installed",
        "install it: pip install 'timebank[postgres,report,serve,web]'",
    ),
    "file_exists": (
        "a file of this name exists and is not overwritten",
        "choose another name, or move the old file away",
    ),
    "file_mode": (
        "others on this machine can read a file with private details",
        "run chmod 600 on the file; what others may have copied stays with them",
    ),
    "file_unavailable": (
        "a file cannot be read or written",
        "check that it exists and that you may use it",
    ),
    "floor": (
        "a balance would fall below its floor",
        "let the member give some help first, or ask the committee for another policy",
    ),
    "folder_not_empty": (
        "a folder for a new bank has files in it",
        "name a folder that does not exist yet",
    ),
    "foreign_frame": (
        "a frame is of another link, bank or direction",
        "ask the neighbour which link the file is for",
    ),
    "foreign_object": (
        "the database holds a table, view, trigger or index that timebank did not make, or altered one",
        "keep a copy for the committee and find out whose it is; timebank backup and restore make the bank anew",
    ),
    "foreign_origin": (
        "something belongs to the log of another bank",
        "give it to the bank that it names",
    ),
    "fork": (
        "two different heads over the same log were signed",
        "keep both and show them to the committee: history was rewritten",
    ),
    "fractional_time": (
        "the time is not a whole number of minutes, and the bank's policy does not round",
        "write it in whole minutes, such as 20m",
    ),
    "future_date": (
        "a date of service lies after the ledger day",
        "check the date, and this machine's clock",
    ),
    "half_signed": (
        "a proposal lacks signatures",
        "gather them: timebank sign FILE --sign-with KEY",
    ),
    "handle_taken": (
        "a handle is already in use",
        "choose another, for instance with a street or a number",
    ),
    "head_ahead": (
        "a signed head is over more entries than there are",
        "restore the newest backup: entries are missing",
    ),
    "head_key_unknown": (
        "a neighbour's head is signed by a key to which none of its known keys leads",
        "if they lost the old one, pair again and settle: timebank neighbour invite, then timebank neighbour settle",
    ),
    "head_mismatch": (
        "the signed head is not over these entries",
        "restore a backup: entries under a signed head were changed",
    ),
    "heading_language": (
        "the heading of an imported file is in another language than expected",
        "check that the columns named are the ones meant",
    ),
    "hledger_refused": (
        "hledger cannot read a journal",
        "run hledger check on it, and mend what it names",
    ),
    "import_exceeded": (
        "more is imported than the committee signed for",
        "import again: what is to come is counted anew",
    ),
    "import_incomplete": (
        "an import is completed before all of it has come",
        "record what is missing first; if that cannot be, give it up: timebank import --abandon",
    ),
    "import_not_open": (
        "an entry belongs to an import that is not open",
        "begin the import first: timebank import SYSTEM FILE…",
    ),
    "import_open": (
        "an import is begun and not completed",
        "go on with it (the same command, the same files), or give it up: timebank import --abandon",
    ),
    "import_refused": (
        "an import was refused; nothing was recorded",
        "mend what is named, or set the bad rows aside: --rejects DIR",
    ),
    "income_differs": (
        "a stated income is not what the rows give",
        "look for rows that are missing or told twice",
    ),
    "internal": (
        "timebank itself failed; nothing was recorded by this step",
        "run it again with TIMEBANK_DEBUG=1 and report what it prints",
    ),
    "invite_expired": (
        "an invitation is past its last day",
        "the bank that invited makes a new one: timebank neighbour invite > FILE",
    ),
    "invite_used": (
        "an invitation was answered before, or withdrawn",
        "invite anew: timebank neighbour invite > FILE",
    ),
    "joined_files": (
        "an imported file holds two files, one after the other",
        "give each as a file of its own",
    ),
    "key_file_exists": (
        "a key file of this name exists and is never overwritten",
        "choose another name, or move the old file away yourself",
    ),
    "key_file_format": (
        "a file does not hold an OpenSSH Ed25519 key",
        "name another file, or make a key with ssh-keygen -t ed25519",
    ),
    "key_file_missing": (
        "there is no key file of this name",
        "check the name, or make a key there first",
    ),
    "key_file_mode": (
        "others on this machine can read a private key",
        "run chmod 600 on the file; if others may have copied it, make a new key",
    ),
    "key_file_other": (
        "a key file holds another key than the .pub file beside it says, or than a moment ago",
        "run the same command again; then, make the .pub file anew: ssh-keygen -y -f FILE > FILE.pub",
    ),
    "key_file_unavailable": (
        "the machine would not read or write a key file",
        "check that the folder exists, that it may be written, and that the disk is not full",
    ),
    "key_purpose": (
        "a key is enrolled for the wrong purpose or holder",
        "one key, one purpose: make a new key for this one",
    ),
    "key_used": (
        "a key already has a holder",
        "make a new key: timebank key new FILE",
    ),
    "leaf_mismatch": (
        "an entry is not the one whose hash is in the tree",
        "restore the newest backup: the entry was changed after it was recorded",
    ),
    "leftover": (
        "a half-made file or folder was left by a program that was killed",
        "remove it when no timebank is running",
    ),
    "link_closed": (
        "a link with a neighbour has ended",
        "pair again: timebank neighbour invite",
    ),
    "link_differs": (
        "an entry about a neighbour does not follow from the frame it quotes",
        "show it to the committee: timebank log show ENTRY",
    ),
    "link_exists": (
        "a link is already in the log",
        "nothing needs doing: an invitation is used once",
    ),
    "link_frozen": (
        "a link with a neighbour is frozen",
        "look at the evidence with the neighbour, then timebank neighbour settle NAME",
    ),
    "link_gap": (
        "a frame does not follow the one before it",
        "run timebank sync again",
    ),
    "link_key_missing": (
        "the private key of a link is not among the bank's keys",
        "put it back from a backup; if it is lost, pair again and settle: timebank neighbour settle",
    ),
    "link_limit": (
        "a payment goes beyond the limit agreed for a neighbour",
        "pay less, wait until some is paid back, or raise it: timebank neighbour limit NAME",
    ),
    "link_unverified": (
        "the words of a link were not yet compared",
        "read them out by telephone, then timebank neighbour verify NAME WORDS",
    ),
    "listing_withdrawn": (
        "a listing was withdrawn already",
        "nothing needs doing",
    ),
    "mandate_cap": (
        "a mandate's daily cap is used up",
        "record the rest tomorrow, or have the member sign: --propose FILE",
    ),
    "mandate_expired": (
        "a mandate has expired",
        "grant a new one: timebank mandate grant HANDLE",
    ),
    "mandate_revoked": (
        "a mandate has been revoked",
        "grant a new one: timebank mandate grant HANDLE",
    ),
    "missing_entry": (
        "an entry is missing from the log",
        "restore the newest backup: timebank restore FILE DIR",
    ),
    "missing_head": (
        "no head lies beside the database, which holds a signed one",
        "compare the head with one that somebody outside holds; then put it back: timebank log checkpoint",
    ),
    "missing_signature": (
        "an entry has fewer or more signatures than signers",
        "gather the missing ones: timebank sign FILE --sign-with KEY",
    ),
    "missing_tile": (
        "a hash tile is missing",
        "rebuild the tables: timebank rebuild; of what was published, fetch the folder again, whole",
    ),
    "mixed_scripts": (
        "a handle mixes letters of two scripts in one word, so that it may look like another",
        "type all of a word's letters in one script; words of two scripts are joined by '.', '_' or '-'",
    ),
    "move_unsettled": (
        "the bank lives elsewhere now, and the database that it left could not be told so",
        "let that answer, and run it again; if it is gone for good, timebank backup and restore make the bank anew",
    ),
    "nameless_member": (
        "rows of the import do not name a member",
        "give a file that names all members",
    ),
    "nature": (
        "an exchange is of a nature it cannot have here",
        "use service, obligatory, care or goods",
    ),
    "negative_time": (
        "the time is less than nothing",
        "swap giver and receiver, or reverse the exchange that was wrong",
    ),
    "neighbour_account": (
        "an account is the bank's own, for its neighbours",
        "only what is agreed with the neighbour moves it",
    ),
    "neighbour_file_too_long": (
        "a file that a neighbour publishes is longer than such a file can be",
        "it is not theirs, or damaged: ask them, and check the address: timebank neighbour show NAME",
    ),
    "neighbour_unreachable": (
        "what a neighbour publishes cannot be fetched",
        "nothing is lost: sync again when it can be reached, or say where it is: timebank neighbour address NAME WHERE",
    ),
    "newer_version": (
        "a newer version of timebank wrote this",
        "upgrade timebank: pip install --upgrade timebank",
    ),
    "no_bank": (
        "no bank was found",
        "name it with --bank DIR, or found one: timebank init DIR --name NAME --origin ORIGIN",
    ),
    "no_consent": (
        "a referral without consent",
        "ask whoever is to be referred, then say how consent was given: --consent HOW",
    ),
    "no_electorate": (
        "nobody could vote, or institutions alone",
        "let accounts come of age first, or choose fewer member_days",
    ),
    "no_exchange_since": (
        "whoever was referred has exchanged nothing since",
        "record what was exchanged first: timebank record GIVER RECEIVER TIME",
    ),
    "no_file": (
        "there is no file of this name",
        "check the name",
    ),
    "no_floor": (
        "the policy sets no floor for persons",
        "consider one: timebank policy show > policy.toml, then timebank policy adopt policy.toml",
    ),
    "no_legs": (
        "an exchange moves no minutes, or says it twice",
        "give one time for it",
    ),
    "no_payback": (
        "nothing was agreed to be given back",
        "see what was: timebank payback list",
    ),
    "no_rows": (
        "the imported files hold no exchange that counts",
        "give the file with the transactions too",
    ),
    "not_a_backup": (
        "a file is not a backup that timebank made",
        "check the file's name; timebank backup FILE makes one",
    ),
    "not_a_carrier": (
        "a neighbour's address answers with something else than published files",
        "open it in a browser, and ask the neighbour for the address it publishes under",
    ),
    "not_a_database": (
        "a file is not the database of a time bank",
        "check the file's name, or restore a backup",
    ),
    "not_a_folder": (
        "a folder is expected, and a file was named",
        "name the bank's folder: the one that holds timebank.toml",
    ),
    "not_a_group": (
        "a group exchange is one to many, or many to one",
        "name one account on one side and two or more on the other",
    ),
    "not_as_voted": (
        "an adoption is not what was voted on",
        "have it made from the votes: timebank policy adopt PROPOSAL",
    ),
    "not_asked": (
        "a key is not among the signers of a proposal",
        "sign with a key that is named, or have it made again for this one: --propose FILE --sign-with KEY.pub",
    ),
    "not_canonical": (
        "an entry's JSON is not in its one spelling",
        "the bytes were changed, or made by a faulty program",
    ),
    "not_carried": (
        "a proposal does not have the votes it needs",
        "see where it stands: timebank policy proposals",
    ),
    "not_committed": (
        "an entry has no such private detail",
        "see what is held: timebank account export HANDLE",
    ),
    "not_disputed": (
        "an exchange is not in dispute",
        "dispute it first: timebank exchange dispute ENTRY",
    ),
    "not_entitled": (
        "an account may not vote on this proposal",
        "see who may, under [voting]: timebank policy show",
    ),
    "not_evidence": (
        "a file or folder is nothing that can be verified",
        "name a bank's folder, a published folder, an audit pack, a receipt or evidence",
    ),
    "not_for_publishing": (
        "a folder is not one to publish in",
        "name a folder that does not exist yet, or the one published in before",
    ),
    "not_founded": (
        "an entry stands before the founding, or founds the bank twice",
        "found a bank with timebank init",
    ),
    "not_hours": (
        "an imported amount is not in hours",
        "take it out: this ledger holds hours only",
    ),
    "not_institution": (
        "an account is no institution",
        "see them: timebank account list --kind institution",
    ),
    "not_next": (
        "an entry does not follow the head of the log",
        "run the same command again",
    ),
    "not_person": (
        "something else than a person is referred",
        "refer the person who is to be helped, and to help",
    ),
    "not_text": (
        "an imported file is no CSV and no text",
        "export it as CSV",
    ),
    "not_up_front": (
        "an entry gave an account no hours up front",
        "name a gift or starting credit: timebank exchange list --nature gift",
    ),
    "not_whole": (
        "a reversal is not the whole exchange",
        "reverse with timebank exchange reverse ENTRY",
    ),
    "not_zero": (
        "an account can be closed only at zero",
        "let it be balanced first, for instance: timebank exchange donate HANDLE pot TIME",
    ),
    "not_zero_sum": (
        "stated balances do not sum to zero",
        "look for the account that is missing or wrong",
    ),
    "nothing_lost": (
        "no head at hand is over more entries than are here",
        "go on as you are; a log is reopened only after a loss",
    ),
    "nul_byte": (
        "a text of an imported file holds a NUL byte",
        "--nul drop if it may be dropped",
    ),
    "odd_rounding": (
        "an imported amount is rounded otherwise than the old system does",
        "check the amount",
    ),
    "nothing_to_report": (
        "no help is recorded of the year that is reported",
        "name a year of which help is recorded (--year), or a later point (--at)",
    ),
    "old_assertion": (
        "a journal states balances of days before its last",
        "nothing needs doing; hledger check compares them",
    ),
    "older_backup": (
        "a backup holds fewer entries than a head this bank signed",
        "look for a newer backup, or for the entries where this bank publishes (--published DIR)",
    ),
    "older_database": (
        "the database is older than a head this bank signed",
        "put the newer database back, or restore the newest backup; never go on with an older copy",
    ),
    "older_head": (
        "a head is over fewer entries than one seen before",
        "fetch it again; if it stays so, keep both heads and show them to the committee",
    ),
    "older_version": (
        "an earlier version of timebank made this database, and its tables lack something",
        "bring it up to this version: timebank rebuild",
    ),
    "other_delimiter": (
        "the cells of an imported file are parted by another mark than usual",
        "nothing needs doing, if the amounts are right",
    ),
    "own_bank": (
        "a neighbour would be this very bank",
        "give the invitation to the other bank",
    ),
    "own_vote": (
        "a broker would change what a member said with her own key",
        "nothing needs doing: her own word counts",
    ),
    "passphrase_needed": (
        "a key needs a passphrase and no one is there to type it",
        "use --passphrase-file FILE, TIMEBANK_PASSPHRASE, or ssh-agent",
    ),
    "password_in_config": (
        "timebank.toml holds the database's password",
        "take it out, and put it into ~/.pgpass, as HOST:PORT:DATABASE:USER:PASSWORD, with chmod 600",
    ),
    "payback_agreed": (
        "what is to be given back was agreed already",
        "nothing needs doing; to agree anew, let it go first: timebank payback forgive",
    ),
    "payback_backdated": (
        "hours cannot be given back by a day that is past",
        "name a later day",
    ),
    "payback_exceeds": (
        "more is to be given back than was given",
        "agree on as much or less",
    ),
    "payment_open": (
        "a payment to a neighbour is not decided yet",
        "wait for its answer: timebank sync",
    ),
    "payment_state": (
        "a payment has come further, or is another one, than an entry says",
        "see how it stands: timebank payment show PAYMENT",
    ),
    "payment_twice": (
        "a payment of a neighbour would be decided twice",
        "nothing needs doing: it was decided",
    ),
    "policy_backdated": (
        "a policy cannot start in the past",
        "choose today or a later day",
    ),
    "policy_moved": (
        "another policy was adopted meanwhile",
        "propose the change anew, from: timebank policy show",
    ),
    "pot_stays": (
        "the community pot cannot be closed",
        "nothing needs doing",
    ),
    "publish_behind": (
        "what is published lacks the newest entries",
        "publish them: timebank log publish DIR",
    ),
    "quorum": (
        "fewer witnesses than asked for have cosigned the head",
        "ask the bank for a head with more cosignatures, or ask for fewer: --quorum",
    ),
    "recovery_key_missing": (
        "there is no recovery key to seal for, or to open with",
        "make one, and keep its private half elsewhere: timebank key new keys/recovery",
    ),
    "referral_closed": (
        "a referral is closed",
        "make another, with consent of its own: timebank referral make",
    ),
    "referral_taken_up": (
        "a referral was taken up already",
        "nothing needs doing",
    ),
    "remainder": (
        "a time cannot be shared in whole minutes",
        "use a time that divides, or --remainder-to-pot",
    ),
    "reserved": (
        "a part of the policy is reserved for votes",
        "propose it: timebank policy propose FILE",
    ),
    "revoked_key": (
        "a key was revoked or replaced",
        "sign with the key that took its place: timebank key list",
    ),
    "rounding": (
        "a time is not in the quarters of an hour that policy asks for",
        "record it in quarters: 1h15, 1h30, 1h45",
    ),
    "schema_taken": (
        "a schema holds what is not a bank's",
        "name another schema in the URL: ?schema=NAME",
    ),
    "second_report": (
        "a payment stands in one of two reports of the same payments only",
        "--second add to book such rows, --second skip to leave them out",
    ),
    "self_dealing": (
        "a broker would sign her own mandate",
        "let a committee key or the member sign: --sign-with",
    ),
    "self_payment": (
        "giver and receiver are the same",
        "name two different accounts",
    ),
    "sheet_refused": (
        "some lines of a sheet are refused, so none is recorded",
        "mend the lines named above and run the same command again",
    ),
    "standby_missing": (
        "the wait for a standby was ended: what was written is on the primary only",
        "do not record it again; timebank log checkpoint signs the head, and comes back when a standby has all of it",
    ),
    "starting_credit": (
        "starting credit does not follow the policy",
        "see what it gives: timebank policy show",
    ),
    "state_mismatch": (
        "a saved state is not of this log, these rules or this kind of evidence",
        "leave out --since; verify the whole, and save a new state: --save FILE",
    ),
    "statement_owner": (
        "whose statement an imported file is cannot be told",
        "--owner FILE=LOGIN",
    ),
    "store_forked": (
        "entries were written into a database that the bank had left",
        "put the database it left back into timebank.toml, then move again: timebank store move URL",
    ),
    "store_moved": (
        "the bank has left this database for another",
        "run the same command again; if it says so still, this timebank.toml is an old copy: work in the bank's folder",
    ),
    "stray_entry": (
        "something is stored beside the log that is no entry of it",
        "keep a copy for the committee, then remove it by hand: it was not recorded by timebank",
    ),
    "stray_row": (
        "a row kept beside the log about sheets or imports is not of the entry it names",
        "restore the newest backup: the row was changed after it was written",
    ),
    "surplus_act": (
        "a key signs as something the entry does not ask for",
        "draft the entry again",
    ),
    "swapped_signature": (
        "a signature stands where another belongs",
        "the bytes were changed; ask whoever sent them",
    ),
    "table_mismatch": (
        "a table does not say what the log says",
        "rebuild the tables: timebank rebuild; then timebank verify",
    ),
    "text_shortened": (
        "a text is longer than the ledger keeps",
        "nothing needs doing; the old file has it all",
    ),
    "text_too_long": (
        "a text has more characters than its field may have",
        "shorten it",
    ),
    "threshold": (
        "so many keys cannot sign",
        "use at most as many as there are keys",
    ),
    "tile_mismatch": (
        "the tree kept in the database is not that of its entries",
        "rebuild the tables: timebank rebuild; then timebank verify",
    ),
    "told_by_order": (
        "the order of entries would tell who was referred",
        "record it some days later, when more has happened in between; or say --even-so",
    ),
    "told_twice": (
        "files of an import tell the same payments",
        "nothing needs doing: each counts once",
    ),
    "twin": (
        "an identical exchange or sheet is already recorded",
        "if it really happened twice, say --again",
    ),
    "twin_line": (
        "a line of an imported file repeats the one before it",
        "--twins keep if both happened, --twins drop if one did",
    ),
    "unbalanced": (
        "legs do not sum to zero",
        "what one gives, others receive: mend the times",
    ),
    "unchanged": (
        "what was asked for is already so",
        "nothing needs doing",
    ),
    "unclear_legs": (
        "in a group exchange several gave and several received",
        "write it as one exchange for each pair",
    ),
    "uneven": (
        "in a group exchange more is given than received, or less",
        "what one gives, others receive: mend the times",
    ),
    "unknown_account": (
        "an account id is not in this bank",
        "see the accounts: timebank account list",
    ),
    "unknown_broker": (
        "a key is not a broker's",
        "see the keys: timebank key list",
    ),
    "unknown_contact": (
        "nobody at a neighbour is kept under this name",
        "keep the alias they gave you: timebank alias keep NAME@NEIGHBOUR ALIAS",
    ),
    "unknown_entry": (
        "an entry is not in this log",
        "see the entries: timebank log entries",
    ),
    "unknown_exchange": (
        "an entry is not an exchange of this log",
        "see the exchanges: timebank exchange list",
    ),
    "unknown_file": (
        "an imported file is none that the named system writes",
        "name the system that wrote it",
    ),
    "unknown_handle": (
        "no account is called so",
        "see the accounts: timebank account list",
    ),
    "unknown_item": (
        "a frame, or an item in it, is of a kind this version does not know",
        "upgrade timebank: pip install --upgrade timebank; nothing is lost meanwhile",
    ),
    "unknown_key": (
        "a key is not in this bank",
        "see the keys: timebank key list",
    ),
    "unknown_kind": (
        "an entry is of a kind this version does not know",
        "upgrade timebank: pip install --upgrade timebank",
    ),
    "unknown_link": (
        "a link is not in this bank",
        "see the neighbours: timebank neighbour list",
    ),
    "unknown_listing": (
        "no listing has this id or number",
        "see them: timebank listing list",
    ),
    "unknown_mandate": (
        "a mandate is not there, or for someone else",
        "see the mandates: timebank mandate list",
    ),
    "unknown_member": (
        "an imported payment names somebody whom no file knows",
        "add the member, or mend the line",
    ),
    "unknown_neighbour": (
        "no neighbour has this name",
        "see them: timebank neighbour list",
    ),
    "unknown_payment": (
        "a payment is not in this bank",
        "see the payments: timebank payment list",
    ),
    "unknown_proposal": (
        "a proposal is not in this bank",
        "see the proposals: timebank policy proposals",
    ),
    "unknown_referral": (
        "no referral has this id or number",
        "see them: timebank referral list",
    ),
    "unknown_state": (
        "the old system's state of a payment is not known",
        "find out whether hours moved",
    ),
    "unknown_system": (
        "there is no importer of this name",
        "use csv, with the columns documented",
    ),
    "unlike_recorded": (
        "a row of the import was recorded before with other contents",
        "undo the change in the old system, or reverse the exchange here and give the row another number",
    ),
    "unlisted_member": (
        "an account is in no list of accounts that was given",
        "give the other list too",
    ),
    "unopened_community": (
        "an import has a community account beside the pot that is not open here",
        "open it first: timebank account open HANDLE --name NAME --kind community",
    ),
    "unproven_head": (
        "nothing shows that a neighbour's newest head goes on from the one seen",
        "sync where their hashes are, in their folder, or send them ours first; if it stays so, ask them why",
    ),
    "unsigned_checkpoint": (
        "no key that is known has signed the head",
        "compare the bank's VKEY with the one you hold",
    ),
    "unsigned_entries": (
        "entries at the end are under no signed head yet",
        "sign it: timebank log checkpoint",
    ),
    "unwiped": (
        "erased details may be left in the free space of the database",
        "overwrite it, when nobody else uses the bank: timebank rebuild",
    ),
    "usage": (
        "a command was typed in a way it does not understand",
        "see: timebank --help",
    ),
    "vote_cap": (
        "brokers have cast all the votes they may",
        "let the member vote with a key of her own",
    ),
    "vote_closed": (
        "the time to vote is over",
        "see what came of it: timebank policy proposals",
    ),
    "vote_lapsed": (
        "the time to adopt what was voted on is over",
        "propose it again: timebank policy propose FILE",
    ),
    "votes_unasked": (
        "the policy in force asks for no votes",
        "the committee adopts it: timebank policy adopt FILE",
    ),
    "weak_key": (
        "a public key is not one that only its holder can sign for",
        "make a new key, or ask its holder for one; do not record this one",
    ),
    "word_missing": (
        "the word of someone who must agree is missing",
        "sign with a key that gives it (--sign-with KEY), send it round (--propose FILE), or have a mandate granted",
    ),
    "words_differ": (
        "the words read out are not those of this link",
        "read all six again; if they still differ, somebody sits between: pair anew by another way",
    ),
    "wrong_factor": (
        "all stated balances are off by the same factor",
        "say what a bare number counts: --unit hours, minutes or seconds",
    ),
    "wrong_founding": (
        "the log does not begin with the founding that was pinned",
        "this is another bank's history, or a rewritten one: show it to the committee",
    ),
    "wrong_names": (
        "a proposal calls accounts by other names than the bank does",
        "sign nothing and submit nothing of it; ask whoever sent it to propose it again",
    ),
    "wrong_opening": (
        "a private detail is not the one the entry commits to",
        "use the file as it was made; the text next to the entry was changed",
    ),
    "wrong_passphrase": (
        "the passphrase does not open the key file",
        "try again; if it is lost, nobody can recover it: rotate to a new key",
    ),
    "wrong_role": (
        "a key signs as something it is not",
        "draft the entry again with the right key",
    ),
    "wrong_topic": (
        "an entry is stored under a kind that is not its own",
        "restore the newest backup: the row was changed after it was recorded",
    ),
    "young_key": (
        "a key came too late to vote with",
        "let a broker vote under a mandate, or vote on the next proposal",
    ),
    "zero_time": (
        "the time is zero",
        "write the minutes that were given, such as 15m",
    ),
}
