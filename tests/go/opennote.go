// Opennote reads a signed note with Go's own reader, golang.org/x/mod/sumdb/note, and prints its text:
//
//	opennote FILE VKEY...
//
// It prints the text, then on standard error one line "verified NAME ID" for each signature that one of the
// verifier keys made. It fails, with nothing on standard output, if the note is malformed, if a key given did
// not make the signature that bears its name, or if none of the keys signed.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: opennote FILE VKEY..."))
	}
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	var verifiers []note.Verifier
	for _, vkey := range os.Args[2:] {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			fail(fmt.Errorf("%s: %v", vkey, err))
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(raw, note.VerifierList(verifiers...))
	if err != nil {
		fail(err)
	}
	for _, sig := range opened.Sigs {
		fmt.Fprintf(os.Stderr, "verified %s %08x\n", sig.Name, sig.Hash)
	}
	fmt.Print(opened.Text)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
