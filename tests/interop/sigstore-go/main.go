// SPDX-License-Identifier: Apache-2.0

// An independent implementation of Sigstore bundles for the tests:
//
//	tool make FILE FOLDER                     bundles of FILE by virtual authorities, good and bad ones
//	tool verify-key FILE BUNDLE KEY           what sigstore-go says of our bundle; exit status 1 when it refuses
//	tool verify-identity FILE BUNDLE ROOT SAN ISSUER
//
// Nothing is asked of the network: authorities, logs and time stamps are made in memory.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	identity = "dev@example.org"
	issuer   = "https://login.example.org"
	media01  = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	media02  = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	media03  = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sigstore-go:", err)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

// ---- what makes bundles

type maker struct {
	ca     *ca.VirtualSigstore
	log    *ownLog
	folder string
}

func newMaker(folder string, details protocommon.PublicKeyDetails) *maker {
	return &maker{must(ca.NewVirtualSigstoreWithSigningAlg(details)), newLog(), folder}
}

func (m *maker) write(name string, data []byte) {
	check(os.WriteFile(filepath.Join(m.folder, name), data, 0o644))
}

func (m *maker) writeRoot(name string, edit func(map[string]*root.TransparencyLog) (logs bool, stamps bool)) {
	logs := m.ca.RekorLogs()
	for id, log := range logs {
		log.ID = must(hex.DecodeString(id)) // the virtual log keeps it as text
	}
	logs[hex.EncodeToString(m.log.id)] = &root.TransparencyLog{BaseURL: "https://rekor.localhost", ID: m.log.id,
		ValidityPeriodStart: time.Now().Add(-time.Hour), ValidityPeriodEnd: time.Now().Add(time.Hour),
		HashFunc: crypto.SHA256, PublicKey: m.log.key.Public(), SignatureHashFunc: crypto.SHA256}
	withLogs, withStamps := true, true
	if edit != nil {
		withLogs, withStamps = edit(logs)
	}
	if !withLogs {
		logs = nil
	}
	stamps := m.ca.TimestampingAuthorities()
	if !withStamps {
		stamps = nil
	}
	trusted := must(root.NewTrustedRoot(root.TrustedRootMediaType01, m.ca.FulcioCertificateAuthorities(), nil, stamps, logs))
	m.write(name, must(trusted.MarshalJSON()))
}

// entryOf is a log entry with promise and, when asked for, an inclusion proof.
func (m *maker) entryOf(entity *ca.TestEntity, proof bool) *protorekor.TransparencyLogEntry {
	entries := must(entity.TlogEntries())
	e := proto.Clone(entries[0].TransparencyLogEntry()).(*protorekor.TransparencyLogEntry)
	var body struct{ Kind, APIVersion string }
	check(json.Unmarshal(e.CanonicalizedBody, &body))
	e.KindVersion = &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion}
	if body.APIVersion == "0.0.2" {
		return e // the virtual log's own tree and key
	}
	e.LogId.KeyId = m.log.id
	m.promise(e)
	e.InclusionProof = nil
	if proof {
		m.prove(e)
	}
	return e
}

// ownLog is a log of the first kind with true trees; the virtual one has trees of one entry.
type ownLog struct {
	key    *ecdsa.PrivateKey
	id     []byte
	proofs int
}

func newLog() *ownLog {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	id := sha256.Sum256(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))
	return &ownLog{key: key, id: id[:]}
}

func (m *maker) promise(e *protorekor.TransparencyLogEntry) {
	payload := must(json.Marshal(tlog.RekorPayload{
		Body:           base64.StdEncoding.EncodeToString(e.CanonicalizedBody),
		IntegratedTime: e.IntegratedTime,
		LogIndex:       e.LogIndex,
		LogID:          hex.EncodeToString(e.LogId.KeyId),
	}))
	digest := sha256.Sum256(must(jsoncanonicalizer.Transform(payload)))
	e.InclusionPromise = &protorekor.InclusionPromise{
		SignedEntryTimestamp: must(ecdsa.SignASN1(rand.Reader, m.log.key, digest[:]))}
}

// Trees of RFC 6962, 2.1, as its definitions read.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func treeRoot(hashes [][]byte) []byte {
	if len(hashes) == 1 {
		return hashes[0]
	}
	k := split(len(hashes))
	return rfc6962.DefaultHasher.HashChildren(treeRoot(hashes[:k]), treeRoot(hashes[k:]))
}

func treePath(index int, hashes [][]byte) [][]byte {
	if len(hashes) == 1 {
		return nil
	}
	k := split(len(hashes))
	if index < k {
		return append(treePath(index, hashes[:k]), treeRoot(hashes[k:]))
	}
	return append(treePath(index-k, hashes[k:]), treeRoot(hashes[:k]))
}

// prove puts the entry into a tree of 8 to 13 entries, each time at another place.
func (m *maker) prove(e *protorekor.TransparencyLogEntry) {
	size := 8 + m.log.proofs%6
	index := m.log.proofs * 5 % size
	m.log.proofs++
	hashes := make([][]byte, size)
	for i := range hashes {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf([]byte{byte(i)})
	}
	hashes[index] = rfc6962.DefaultHasher.HashLeaf(e.CanonicalizedBody)
	top := treeRoot(hashes)
	signer := must(signature.LoadECDSASignerVerifier(m.log.key, crypto.SHA256))
	note := must(util.CreateAndSignCheckpoint(context.Background(), "rekor.localhost", 123, uint64(size), top, signer))
	e.InclusionProof = &protorekor.InclusionProof{LogIndex: int64(index), TreeSize: int64(size), RootHash: top,
		Hashes: treePath(index, hashes), Checkpoint: &protorekor.Checkpoint{Envelope: string(note)}}
}

type parts struct {
	media   string
	entry   *protorekor.TransparencyLogEntry
	stamped bool
}

func (m *maker) bundle(entity *ca.TestEntity, p parts) *protobundle.Bundle {
	content := must(entity.VerificationContent())
	cert := &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}
	b := &protobundle.Bundle{MediaType: p.media, VerificationMaterial: &protobundle.VerificationMaterial{}}
	if p.media == media03 {
		b.VerificationMaterial.Content = &protobundle.VerificationMaterial_Certificate{Certificate: cert}
	} else {
		b.VerificationMaterial.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{cert}}}
	}
	if p.entry != nil {
		b.VerificationMaterial.TlogEntries = []*protorekor.TransparencyLogEntry{p.entry}
	}
	if p.stamped {
		data := &protobundle.TimestampVerificationData{}
		for _, t := range must(entity.Timestamps()) {
			data.Rfc3161Timestamps = append(data.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: t})
		}
		b.VerificationMaterial.TimestampVerificationData = data
	}
	signed := must(entity.SignatureContent())
	if message := signed.MessageSignatureContent(); message != nil {
		b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{
				Algorithm: protocommon.HashAlgorithm(protocommon.HashAlgorithm_value[message.DigestAlgorithm()]),
				Digest:    message.Digest()},
			Signature: message.Signature()}}
	} else {
		e := signed.EnvelopeContent().RawEnvelope()
		b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: must(base64.StdEncoding.DecodeString(e.Payload)), PayloadType: e.PayloadType,
			Signatures: []*protodsse.Signature{{Sig: must(base64.StdEncoding.DecodeString(e.Signatures[0].Sig))}}}}
	}
	return b
}

func (m *maker) writeBundle(name string, b *protobundle.Bundle) {
	m.write(name, must(protojson.Marshal(b)))
}

func clone(b *protobundle.Bundle) *protobundle.Bundle { return proto.Clone(b).(*protobundle.Bundle) }

// edited writes a copy of the bundle after a change.
func (m *maker) edited(name string, b *protobundle.Bundle, change func(b *protobundle.Bundle)) {
	copied := clone(b)
	change(copied)
	m.writeBundle(name, copied)
}

func flip(bytes []byte) { bytes[len(bytes)-1] ^= 1 }

func entryIn(b *protobundle.Bundle) *protorekor.TransparencyLogEntry {
	return b.VerificationMaterial.TlogEntries[0]
}

// ---- the bundles

func (m *maker) good(artifact []byte, now time.Time) *protobundle.Bundle {
	at := now.Add(time.Minute) // the virtual certificates begin now
	entity := must(m.ca.SignAtTime(identity, issuer, artifact, at))
	full := m.bundle(entity, parts{media03, m.entryOf(entity, true), true})
	m.writeBundle("good-v03.json", full)
	m.writeBundle("good-no-stamp.json", m.bundle(entity, parts{media03, m.entryOf(entity, true), false}))
	m.writeBundle("good-v02.json", m.bundle(entity, parts{media02, m.entryOf(entity, true), false}))
	m.writeBundle("good-v01.json", m.bundle(entity, parts{media01, m.entryOf(entity, false), false}))
	m.edited("good-stamp-time.json", full, func(b *protobundle.Bundle) { entryIn(b).InclusionPromise = nil })
	m.writeBundle("only-stamp.json", m.bundle(entity, parts{media03, nil, true}))
	return full
}

func (m *maker) attested(artifact []byte, now time.Time) {
	digest := sha256.Sum256(artifact)
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"%x"}}],`+
		`"predicateType":"https://example.org/p","predicate":{}}`, digest)
	entity := must(m.ca.AttestAtTime(identity, issuer, []byte(statement), now.Add(time.Minute), true))
	full := m.bundle(entity, parts{media03, m.entryOf(entity, true), true})
	m.writeBundle("good-dsse.json", full)
	m.edited("bad-dsse-payload.json", full, func(b *protobundle.Bundle) {
		e := b.Content.(*protobundle.Bundle_DsseEnvelope).DsseEnvelope
		e.Payload = bytes.Replace(e.Payload, []byte(`"name":"a"`), []byte(`"name":"b"`), 1)
	})
	second := must(m.ca.AttestAtTimeHashedRekordV2(identity, issuer, []byte(statement), now.Add(time.Minute)))
	m.writeBundle("good-dsse-rekor2.json", m.bundle(second, parts{media03, m.entryOf(second, true), true}))
	other := must(m.ca.AttestAtTime(identity, issuer, []byte(strings.Replace(statement, fmt.Sprintf("%x", digest),
		strings.Repeat("ab", 32), 1)), now.Add(time.Minute), true))
	m.writeBundle("bad-dsse-subject.json", m.bundle(other, parts{media03, m.entryOf(other, true), false}))
}

func (m *maker) bad(full *protobundle.Bundle, artifact []byte, now time.Time) {
	m.edited("bad-signature.json", full, func(b *protobundle.Bundle) {
		flip(b.Content.(*protobundle.Bundle_MessageSignature).MessageSignature.Signature)
	})
	m.edited("bad-digest.json", full, func(b *protobundle.Bundle) {
		flip(b.Content.(*protobundle.Bundle_MessageSignature).MessageSignature.MessageDigest.Digest)
	})
	m.edited("bad-promise.json", full, func(b *protobundle.Bundle) {
		flip(entryIn(b).InclusionPromise.SignedEntryTimestamp)
	})
	m.edited("bad-time.json", full, func(b *protobundle.Bundle) { entryIn(b).IntegratedTime++ })
	m.edited("bad-proof-root.json", full, func(b *protobundle.Bundle) { flip(entryIn(b).InclusionProof.RootHash) })
	m.edited("bad-proof-size.json", full, func(b *protobundle.Bundle) { entryIn(b).InclusionProof.TreeSize++ })
	m.edited("bad-proof-extra-hash.json", full, func(b *protobundle.Bundle) {
		p := entryIn(b).InclusionProof
		p.Hashes = append(p.Hashes, make([]byte, 32))
	})
	m.edited("bad-checkpoint.json", full, func(b *protobundle.Bundle) {
		c := entryIn(b).InclusionProof.Checkpoint
		c.Envelope = strings.Replace(c.Envelope, "rekor.localhost", "rekor.elsewhere", 1)
	})
	m.edited("no-promise-no-stamp.json", full, func(b *protobundle.Bundle) {
		entryIn(b).InclusionPromise = nil
		b.VerificationMaterial.TimestampVerificationData = nil
	})
	m.edited("no-entry-no-stamp.json", full, func(b *protobundle.Bundle) {
		b.VerificationMaterial.TlogEntries = nil
		b.VerificationMaterial.TimestampVerificationData = nil
	})
	m.edited("bad-stamp-only.json", full, func(b *protobundle.Bundle) {
		entryIn(b).InclusionPromise = nil
		flip(b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp)
	})
	m.edited("v03-chain.json", full, func(b *protobundle.Bundle) {
		c := b.VerificationMaterial.GetCertificate()
		b.VerificationMaterial.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{c}}}
	})
	// Entries of other signatures, of other files, and with the promise of another log.
	other := must(m.ca.SignAtTime(identity, issuer, append([]byte("x"), artifact...), now.Add(time.Minute)))
	m.edited("bad-entry-other-file.json", full, func(b *protobundle.Bundle) {
		b.VerificationMaterial.TlogEntries[0] = m.entryOf(other, true)
	})
	again := must(m.ca.SignAtTime(identity, issuer, artifact, now.Add(time.Minute)))
	m.edited("bad-entry-other-signature.json", full, func(b *protobundle.Bundle) {
		b.VerificationMaterial.TlogEntries[0] = m.entryOf(again, true)
	})
	stranger := newMaker(m.folder, protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256)
	m.edited("bad-promise-other-log.json", full, func(b *protobundle.Bundle) { stranger.promise(entryIn(b)) })
	m.edited("bad-proof-other-log.json", full, func(b *protobundle.Bundle) { stranger.prove(entryIn(b)) })
	foreign := must(stranger.ca.SignAtTime(identity, issuer, artifact, now.Add(time.Minute)))
	m.writeBundle("bad-all-other.json", m.bundle(foreign, parts{media03, stranger.entryOf(foreign, true), true}))
	// A certificate of another authority whose entry is in our log.
	mixed := m.entryOf(foreign, false)
	mixed.LogId.KeyId = m.log.id
	m.promise(mixed)
	m.prove(mixed)
	m.writeBundle("bad-certificate-other.json", m.bundle(foreign, parts{media03, mixed, false}))
	// Logged before and after the ten minutes of the certificate.
	for name, at := range map[string]time.Time{"bad-early.json": now.Add(-time.Minute), "bad-late.json": now.Add(11 * time.Minute)} {
		entity := must(m.ca.SignAtTime(identity, issuer, artifact, at))
		m.writeBundle(name, m.bundle(entity, parts{media03, m.entryOf(entity, true), false}))
	}
}

func (m *maker) keyed(artifact []byte) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.MarshalPKIXPublicKey(&key.PublicKey))
	m.write("key.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	digest, id := sha256.Sum256(artifact), sha256.Sum256(der)
	sig := must(ecdsa.SignASN1(rand.Reader, key, digest[:]))
	m.writeBundle("good-key.json", &protobundle.Bundle{MediaType: media03,
		VerificationMaterial: &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{
			PublicKey: &protocommon.PublicKeyIdentifier{Hint: base64.StdEncoding.EncodeToString(id[:])}}},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest[:]},
			Signature:     sig}}})
}

func makeAll(file, folder string) {
	artifact := must(os.ReadFile(file))
	now := time.Now()
	m := newMaker(folder, protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256)
	m.writeRoot("root.json", nil)
	m.writeRoot("root-no-log.json", func(map[string]*root.TransparencyLog) (bool, bool) { return false, true })
	m.writeRoot("root-no-stamp.json", func(map[string]*root.TransparencyLog) (bool, bool) { return true, false })
	m.writeRoot("root-old-log.json", func(logs map[string]*root.TransparencyLog) (bool, bool) {
		for _, log := range logs {
			log.ValidityPeriodEnd = now.Add(-30 * time.Minute)
		}
		return true, true
	})
	full := m.good(artifact, now)
	m.attested(artifact, now)
	m.bad(full, artifact, now)
	m.keyed(artifact)
	for name, details := range map[string]protocommon.PublicKeyDetails{
		"p384": protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		"rsa":  protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256} {
		one := newMaker(folder, details)
		entity := must(one.ca.SignAtTime(identity, issuer, artifact, now.Add(time.Minute)))
		one.writeRoot("root-"+name+".json", nil)
		one.writeBundle("good-"+name+".json", one.bundle(entity, parts{media03, one.entryOf(entity, true), true}))
	}
	fmt.Println(now.Add(2 * time.Minute).UTC().Format("2006-01-02T15:04:05Z"))
}

// ---- verifying with sigstore-go

type keyMaterial struct {
	root.BaseTrustedMaterial
	key root.TimeConstrainedVerifier
}

func (k *keyMaterial) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return k.key, nil
}

func verifyKey(file, bundlePath, keyPath string) {
	b := must(bundle.LoadJSONFromPath(bundlePath))
	block, _ := pem.Decode(must(os.ReadFile(keyPath)))
	key := must(x509.ParsePKIXPublicKey(block.Bytes))
	v := must(signature.LoadVerifier(key, crypto.SHA256))
	material := &keyMaterial{key: root.NewExpiringKey(v, time.Time{}, time.Time{})}
	verifier := must(verify.NewVerifier(material, verify.WithNoObserverTimestamps()))
	artifact := must(os.Open(file))
	defer artifact.Close()
	must(verifier.Verify(b, verify.NewPolicy(verify.WithArtifact(artifact), verify.WithKey())))
}

func verifyIdentity(file, bundlePath, rootPath, san, oidc string) {
	b := must(bundle.LoadJSONFromPath(bundlePath))
	trusted := must(root.NewTrustedRootFromPath(rootPath))
	who := must(verify.NewShortCertificateIdentity(oidc, "", san, ""))
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(trusted.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	verifier := must(verify.NewVerifier(trusted, options...))
	artifact := must(os.Open(file))
	defer artifact.Close()
	must(verifier.Verify(b, verify.NewPolicy(verify.WithArtifact(artifact), verify.WithCertificateIdentity(who))))
}

func main() {
	a := os.Args[1:]
	switch {
	case len(a) == 3 && a[0] == "make":
		makeAll(a[1], a[2])
	case len(a) == 4 && a[0] == "verify-key":
		verifyKey(a[1], a[2], a[3])
	case len(a) == 6 && a[0] == "verify-identity":
		verifyIdentity(a[1], a[2], a[3], a[4], a[5])
	default:
		fmt.Fprintln(os.Stderr, "usage: see the comment of main.go")
		os.Exit(2)
	}
}
