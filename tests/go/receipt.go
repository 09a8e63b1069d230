// Receipt checks that an entry is in a bank's log, with the bank's checkpoint key and nothing else:
//
//	receipt RECEIPT ENTRY VKEY
//
// RECEIPT is a C2SP tlog-proof, ENTRY the bytes of the entry as they are in the log (an exported entry, text and
// signature lines). It prints the index of the entry and the head that proves it, and fails with nothing on
// standard output if the receipt is malformed, if the key did not sign its head, or if the entry is another.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: receipt RECEIPT ENTRY VKEY")
	}
	receipt, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	entry, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	said, err := check(receipt, entry, os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(said)
}

// check returns "index N" and the text of the head.
func check(receipt, entry []byte, vkey string) (string, error) {
	proof, signed, found := strings.Cut(string(receipt), "\n\n")
	if !found {
		return "", errors.New("no head behind an empty line")
	}
	lines := strings.Split(proof, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", errors.New("not a tlog-proof of version 1")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:] // says nothing here
	}
	if len(lines) == 0 {
		return "", errors.New("no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil || lines[0] != fmt.Sprintf("index %d", index) {
		return "", fmt.Errorf("not an index: %q", lines[0])
	}
	var path tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := parseHash(line)
		if err != nil {
			return "", err
		}
		path = append(path, hash)
	}

	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	head, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	text := strings.Split(head.Text, "\n") // origin, size, root, perhaps more
	if len(text) < 4 || text[0] != verifier.Name() {
		return "", errors.New("the head is not of this log")
	}
	size, err := strconv.ParseInt(text[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != text[1] {
		return "", fmt.Errorf("not a size: %q", text[1])
	}
	root, err := parseHash(text[2])
	if err != nil {
		return "", err
	}
	if index < 0 || index >= size {
		return "", fmt.Errorf("entry %d is not under a head over %d", index, size)
	}
	if err := tlog.CheckRecord(path, size, root, index, tlog.RecordHash(entry)); err != nil {
		return "", err
	}
	return fmt.Sprintf("index %d\n%s", index, head.Text), nil
}

// parseHash reads the one spelling of 32 bytes in base64; the decoder alone passes over loose bits.
func parseHash(text string) (hash tlog.Hash, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tlog.HashSize || base64.StdEncoding.EncodeToString(raw) != text {
		return hash, fmt.Errorf("not a hash: %q", text)
	}
	copy(hash[:], raw)
	return hash, nil
}
