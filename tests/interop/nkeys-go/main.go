// SPDX-License-Identifier: Apache-2.0
// The nkeys package of Go behind the lines that tests/interop/nkey_peer.c describes.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nkeys"
)

var message = []byte("one message")

func sign(pair nkeys.KeyPair) string {
	signature, err := pair.Sign(message)
	if err != nil {
		return "-"
	}
	return hex.EncodeToString(signature)
}

func describe(pair nkeys.KeyPair, err error, withSeed bool) string {
	if err != nil {
		return "no"
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "no"
	}
	answer := public + " " + sign(pair)
	if withSeed {
		seed, err := pair.Seed()
		if err != nil {
			return "no"
		}
		answer = string(seed) + " " + answer
	}
	return answer
}

func make(letter string) string {
	kinds := map[string]nkeys.PrefixByte{"A": nkeys.PrefixByteAccount, "C": nkeys.PrefixByteCluster,
		"N": nkeys.PrefixByteServer, "O": nkeys.PrefixByteOperator, "U": nkeys.PrefixByteUser}
	if letter == "X" {
		pair, err := nkeys.CreateCurveKeys()
		return describe(pair, err, true)
	}
	kind, known := kinds[letter]
	if !known {
		return "no"
	}
	pair, err := nkeys.CreatePair(kind)
	return describe(pair, err, true)
}

func check(public, signature string) string {
	if !nkeys.IsValidPublicKey(public) {
		return "no"
	}
	if signature == "-" {
		return "yes"
	}
	pair, err := nkeys.FromPublicKey(public)
	bytes, bad := hex.DecodeString(signature)
	if err != nil || bad != nil || pair.Verify(message, bytes) != nil {
		return "no"
	}
	return "yes"
}

func read(seed string) string {
	if strings.HasPrefix(seed, "SX") {
		pair, err := nkeys.FromCurveSeed([]byte(seed))
		return describe(pair, err, false)
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	return describe(pair, err, false)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		answer := "what?"
		switch {
		case len(words) == 2 && words[0] == "make":
			answer = make(words[1])
		case len(words) == 2 && words[0] == "read":
			answer = read(words[1])
		case len(words) == 3 && words[0] == "check":
			answer = check(words[1], words[2])
		}
		fmt.Println(answer)
	}
}
