"""Private keys on this machine. The rules of keys are in `format.keys`.

files   keys on disk and in ssh-agent: the one place where they are touched
ring    the keys this machine can sign with, opened only when one of them must sign
"""
