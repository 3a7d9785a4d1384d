// SPDX-License-Identifier: Apache-2.0
package main

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
)

// What somebody might send who holds an identity of his own but not the one that he claims: chains that look right.
// Nil for a kind that is not one of these.
func (s *server) forgedX509(kind string) *workload.X509SVIDResponse {
	template, id := s.template("good")
	key := newKey()
	middle := func(change func(*x509.Certificate)) authority { return s.below(s.good, change) }
	one := func(a authority, rest ...[]byte) *workload.X509SVIDResponse {
		der := must(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))
		for _, more := range rest {
			der = append(der, more...)
		}
		return &workload.X509SVIDResponse{Svids: []*workload.X509SVID{{SpiffeId: id, X509Svid: der,
			X509SvidKey: must(x509.MarshalPKCS8PrivateKey(key)), Bundle: s.good.cert.Raw}}}
	}
	through := func(a authority) *workload.X509SVIDResponse { return one(a, a.cert.Raw) }
	switch kind {
	case "intermediate": // the one that is right
		return through(middle(nil))
	case "name-constraint-fits":
		return through(middle(func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.org"} }))
	case "below-a-workload":
		return through(middle(func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage, c.URIs = false, x509.KeyUsageDigitalSignature, uris("spiffe://example.org/other")
		}))
	case "usage-alone": // may sign certificates, but nothing says that it is an authority
		return through(middle(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }))
	case "authority-without-usage":
		return through(middle(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }))
	case "path-length":
		first := middle(func(c *x509.Certificate) { c.MaxPathLenZero = true })
		second := s.below(first, nil)
		return one(second, second.cert.Raw, first.cert.Raw)
	case "name-constraint":
		return through(middle(func(c *x509.Certificate) { c.PermittedURIDomains = []string{"partner.example"} }))
	case "name-exclusion":
		return through(middle(func(c *x509.Certificate) { c.ExcludedURIDomains = []string{"example.org"} }))
	case "expired-authority":
		return through(middle(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
	case "foreign-authority":
		return one(s.other, s.other.cert.Raw)
	case "same-name":
		return through(newAuthority("good"))
	case "foreign-domain":
		template.URIs, id = uris("spiffe://partner.example/host"), "spiffe://partner.example/host"
		return one(s.other)
	case "foreign-domain-in-certificate":
		template.URIs = uris("spiffe://partner.example/host")
		return one(s.good)
	case "like-domain":
		template.URIs = uris("spiffe://example.org.evil/host")
		return one(s.good)
	case "self-signed":
		a := middle(nil)
		a.key, a.cert = key, template
		return one(a, s.good.cert.Raw)
	case "wrong-order":
		r := through(middle(nil))
		first := must(x509.ParseCertificates(r.Svids[0].X509Svid))
		r.Svids[0].X509Svid = append(append([]byte{}, first[1].Raw...), first[0].Raw...)
		return r
	case "critical":
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		return one(s.good)
	case "way-up":
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/a/../host"}}
		return one(s.good)
	case "nul":
		template.URIs, template.ExtraExtensions = nil, []pkix.Extension{names(hostID + "\x00.evil")}
		return one(s.good)
	case "names-twice":
		template.URIs, template.ExtraExtensions = nil, []pkix.Extension{names(hostID), names("spiffe://example.org/other")}
		return one(s.good)
	case "many":
		r := one(s.good)
		for i := 0; i < 64; i++ {
			r.Svids[0].X509Svid = append(r.Svids[0].X509Svid, s.good.cert.Raw...)
		}
		return r
	case "weak-key":
		weak := must(rsa.GenerateKey(rand.Reader, 1024))
		r := one(s.good)
		r.Svids[0].X509Svid = must(x509.CreateCertificate(rand.Reader, template, s.good.cert, weak.Public(), s.good.key))
		r.Svids[0].X509SvidKey = must(x509.MarshalPKCS8PrivateKey(weak))
		return r
	case "key-with-more":
		r := one(s.good)
		r.Svids[0].X509SvidKey = append(r.Svids[0].X509SvidKey, 0)
		return r
	case "no-key":
		r := one(s.good)
		r.Svids[0].X509SvidKey = nil
		return r
	}
	return nil
}

func (s *server) below(parent authority, change func(*x509.Certificate)) authority {
	key := newKey()
	s.serial++
	t := &x509.Certificate{
		SerialNumber:          big.NewInt(s.serial),
		Subject:               pkix.Name{CommonName: fmt.Sprintf("middle %d", s.serial)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if change != nil {
		change(t)
	}
	der := must(x509.CreateCertificate(rand.Reader, t, parent.cert, key.Public(), parent.key))
	return authority{key, must(x509.ParseCertificate(der))}
}

// Alternative names with this URI, whatever is in it.
func names(uri string) pkix.Extension {
	value := must(asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}}))
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}
}

// ---- JWT

func signES256(key *ecdsa.PrivateKey, text string) []byte {
	digest := sha256.Sum256([]byte(text))
	r, z, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	return append(r.FillBytes(make([]byte, 32)), z.FillBytes(make([]byte, 32))...)
}

// Tokens whose text is put together by hand; empty for a kind that is not one of these.
func (s *server) forgedToken(kind string) string {
	exp := time.Now().Add(time.Hour).Unix()
	claims := func(change func(map[string]any)) string {
		c := map[string]any{"sub": hostID, "aud": "reports", "exp": exp}
		if change != nil {
			change(c)
		}
		return string(must(json.Marshal(c)))
	}
	const header = `{"alg":"ES256","kid":"one"}`
	sign := func(header, claims string, key *ecdsa.PrivateKey) string {
		text := encode([]byte(header)) + "." + encode([]byte(claims))
		return text + "." + encode(signES256(key, text))
	}
	with := func(name string, value any) string {
		return sign(header, claims(func(c map[string]any) { c[name] = value }), s.jwtKey)
	}
	unsigned := encode([]byte(header)) + "." + encode([]byte(claims(nil)))
	switch kind {
	case "hmac-of-public-key":
		text := encode([]byte(`{"alg":"HS256","kid":"one"}`)) + "." + encode([]byte(claims(nil)))
		mac := hmac.New(sha256.New, must(x509.MarshalPKIXPublicKey(s.jwtKey.Public())))
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil))
	case "zero-signature":
		return unsigned + "." + encode(make([]byte, 64))
	case "empty-signature":
		return unsigned + "."
	case "der-signature":
		digest := sha256.Sum256([]byte(unsigned))
		return unsigned + "." + encode(must(ecdsa.SignASN1(rand.Reader, s.jwtKey, digest[:])))
	case "signature-of-none":
		return sign(`{"alg":"None","kid":"one"}`, claims(nil), s.jwtKey)
	case "lower-case":
		return sign(`{"alg":"es256","kid":"one"}`, claims(nil), s.jwtKey)
	case "other-curve":
		return sign(`{"alg":"ES384","kid":"one"}`, claims(nil), s.jwtKey)
	case "own-key":
		key := newKey()
		jwk := must(json.Marshal(map[string]any{"kty": "EC", "crv": "P-256", "x": encode(key.X.FillBytes(make([]byte, 32))),
			"y": encode(key.Y.FillBytes(make([]byte, 32)))}))
		return sign(`{"alg":"ES256","kid":"one","jwk":`+string(jwk)+`}`, claims(nil), key)
	case "critical":
		return sign(`{"alg":"ES256","kid":"one","crit":["x"],"x":1}`, claims(nil), s.jwtKey)
	case "two-algorithms":
		return sign(`{"alg":"none","kid":"one","alg":"ES256"}`, claims(nil), s.jwtKey)
	case "partner-key":
		return sign(`{"alg":"ES256","kid":"partner"}`, claims(nil), s.partnerKey)
	case "two-subjects":
		text := claims(nil)
		return sign(header, `{"sub":"spiffe://example.org/other",`+text[1:], s.jwtKey)
	case "four-parts":
		return sign(header, claims(nil), s.jwtKey) + ".e30"
	case "padded":
		return sign(header, claims(nil), s.jwtKey) + "=="
	case "not-yet":
		return with("nbf", exp-1)
	case "expiry-text":
		return with("exp", "9999999999")
	case "expiry-null":
		return with("exp", nil)
	case "expiry-huge":
		return with("exp", 1e99)
	case "expiry-negative":
		return with("exp", -1)
	case "expiry-far":
		return with("exp", int64(1)<<62)
	case "audience-object":
		return with("aud", map[string]any{"reports": 1})
	case "audience-nested":
		return with("aud", []any{[]any{"reports"}})
	case "audience-mixed":
		return with("aud", []any{"reports", 1})
	case "audience-start":
		return with("aud", []any{"report", "reports/all", "Reports"})
	case "audience-zero":
		return with("aud", "reports\x00")
	case "audience-empty":
		return with("aud", []any{})
	case "like-domain":
		return with("sub", "spiffe://example.org.evil/host")
	case "way-up":
		return with("sub", "spiffe://example.org/a/../host")
	case "no-path":
		return with("sub", "spiffe://example.org")
	case "no-claims":
		return sign(header, `["sub"]`, s.jwtKey)
	}
	return ""
}

// The keys of our trust domain, or what is wrong with them.
func (s *server) keySet(kind string) []byte {
	key := func(id string, k *ecdsa.PrivateKey) map[string]any {
		return map[string]any{"kty": "EC", "crv": "P-256", "kid": id, "x": encode(k.X.FillBytes(make([]byte, 32))),
			"y": encode(k.Y.FillBytes(make([]byte, 32)))}
	}
	own := key("one", s.jwtKey)
	keys := []any{own, map[string]any{"kty": "OKP", "crv": "X448", "kid": "odd", "use": "jwt-svid", "x": "AAAA"}}
	switch kind {
	case "partner":
		return must(json.Marshal(map[string]any{"keys": []any{key("partner", s.partnerKey)}}))
	case "twice":
		keys = append(keys, key("one", newKey()))
	case "off-curve":
		own["y"] = own["x"]
	case "other-use":
		own["use"] = "x509-svid"
	case "no-name":
		delete(own, "kid")
	case "no-list":
		return []byte(`{"keys":{}}`)
	case "exponent-one":
		weak := must(rsa.GenerateKey(rand.Reader, 2048))
		keys = append(keys, map[string]any{"kty": "RSA", "kid": "weak", "n": encode(weak.N.Bytes()), "e": "AQ"})
	case "short-rsa":
		weak := must(rsa.GenerateKey(rand.Reader, 1024))
		keys = append(keys, map[string]any{"kty": "RSA", "kid": "weak", "n": encode(weak.N.Bytes()), "e": "AQAB"})
	}
	return must(json.Marshal(map[string]any{"keys": keys}))
}
