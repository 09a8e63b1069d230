"""What a stranger hands us, read by what reads it: any exception but `Problem` is a bug, and so is a slow answer.

    pip install --group fuzz                                  atheris, where it can be had
    python -m tests.fuzz note --seconds 60                    one reader, guided by coverage
    python -m tests.fuzz all --seconds 600                    all of them, one after another

`readers.TARGETS` are the readers. Where two of ours read the same bytes they must agree, and what is taken must be
written back as it was. `corpus/` holds examples of each, which `test_fuzz.py` here replays, whole and changed, without
atheris; what atheris finds is added there.
"""
