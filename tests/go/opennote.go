// Opennote reads a signed note with Go's own reader, golang.org/x/mod/sumdb/note, and prints its text:
//
//	opennote FILE VKEY...
//
// A VKEY of the type 0x01 is a signer's, and one of the type 0x04 a witness's, as C2SP tlog-cosignature has it: its line
// holds 8 bytes of time and a signature over "cosignature/v1", the time, and the text. Prints the text, then on
// standard error "verified NAME ID" for each line that one of the keys made. It fails, with nothing on standard output,
// if the note is malformed, or if a key given made no line.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

const witness = 0x04

// cosigner verifies lines of one witness.
type cosigner struct {
	name string
	key  []byte
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.key...))
	return binary.BigEndian.Uint32(sum[:4])
}

func (c cosigner) Verify(text, line []byte) bool {
	if len(line) != 8+ed25519.SignatureSize {
		return false
	}
	said := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(line[:8]), text)
	return ed25519.Verify(c.key, []byte(said), line[8:])
}

// verifier reads a verifier key of either type.
func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize {
		return nil, fmt.Errorf("not a key in base64")
	}
	if key[0] != witness {
		return note.NewVerifier(vkey)
	}
	found := cosigner{parts[0], key[1:]}
	if fmt.Sprintf("%08x", found.KeyHash()) != parts[1] {
		return nil, fmt.Errorf("the key id is not that of the key")
	}
	return found, nil
}

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
		found, err := verifier(vkey)
		if err != nil {
			fail(fmt.Errorf("%s: %v", vkey, err))
		}
		verifiers = append(verifiers, found)
	}
	opened, err := note.Open(raw, note.VerifierList(verifiers...))
	if err != nil {
		fail(err)
	}
	if len(opened.Sigs) != len(verifiers) {
		fail(fmt.Errorf("%d of %d keys made a line", len(opened.Sigs), len(verifiers)))
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
