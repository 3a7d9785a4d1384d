// SPDX-License-Identifier: Apache-2.0
// A SPIFFE workload API for tests, which can be told to misbehave. It serves at the Unix socket that its argument
// names, and answers each line of its standard input with one line:
//
//	x509 KIND   what FetchX509SVID sends from now on, also to streams that are open
//	jwt KIND    what FetchJWTSVID sends from now on
//	keys KIND   what FetchJWTBundles sends from now on
//	cut         ends every open stream with UNAVAILABLE
//	calls       how often FetchX509SVID was called
//	key         the private number of the key that was sent last, in hexadecimal
//	open        how many of its streams are open
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const hostID = "spiffe://example.org/host"

type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

type server struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	mutex   sync.Mutex
	changed chan struct{} // closed when something to send has changed
	cut     chan struct{} // closed to end the streams
	x509    string
	jwt     string
	keys    string
	calls   int
	open    int
	good    authority
	other   authority
	serial  int64
	last    []byte // the private number of the key that was sent last

	jwtKey, partnerKey *ecdsa.PrivateKey
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func newAuthority(name string) authority {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(48 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs:                  []*url.URL{must(url.Parse("spiffe://example.org"))},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return authority{key, must(x509.ParseCertificate(der))}
}

// ---- X.509

func uris(texts ...string) []*url.URL {
	var list []*url.URL
	for _, text := range texts {
		list = append(list, must(url.Parse(text)))
	}
	return list
}

// What is wrong with the certificate of this kind, and the ID that goes with it.
func (s *server) template(kind string) (*x509.Certificate, string) {
	t := &x509.Certificate{
		SerialNumber:          big.NewInt(s.serial),
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  uris(hostID),
	}
	id := hostID
	switch kind {
	case "no-uri":
		t.URIs = nil
		t.DNSNames = []string{"host.example.org"}
	case "no-spiffe":
		t.URIs = uris("https://example.org/host")
	case "two-uris":
		t.URIs = uris(hostID, "spiffe://example.org/other")
	case "no-path":
		t.URIs, id = uris("spiffe://example.org"), "spiffe://example.org"
	case "other-id":
		t.URIs = uris("spiffe://example.org/other")
	case "other-host":
		t.URIs, id = uris("spiffe://example.org/other"), "spiffe://example.org/other"
	case "ca":
		t.IsCA = true
	case "cert-sign":
		t.KeyUsage |= x509.KeyUsageCertSign
	case "no-signature":
		t.KeyUsage = x509.KeyUsageKeyAgreement
	case "server-only":
		t.ExtKeyUsage = t.ExtKeyUsage[:1]
	case "expired":
		t.NotBefore, t.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	case "future":
		t.NotBefore = time.Now().Add(30 * time.Minute)
	case "short":
		t.NotAfter = time.Now().Add(3 * time.Second)
	}
	return t, id
}

func (s *server) x509Answer(kind string) *workload.X509SVIDResponse {
	s.serial++
	if forged := s.forgedX509(kind); forged != nil {
		return forged
	}
	template, id := s.template(kind)
	key := newKey()
	issuer := s.good
	if kind == "other-bundle" {
		issuer = s.other
	}
	der := must(x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key))
	if kind == "wrong-key" {
		key = newKey()
	}
	s.last = key.D.FillBytes(make([]byte, 32))
	svid := &workload.X509SVID{
		SpiffeId:    id,
		X509Svid:    der,
		X509SvidKey: must(x509.MarshalPKCS8PrivateKey(key)),
		Bundle:      s.good.cert.Raw,
	}
	answer := &workload.X509SVIDResponse{
		Svids:            []*workload.X509SVID{svid},
		FederatedBundles: map[string][]byte{"spiffe://partner.example": s.other.cert.Raw},
	}
	switch kind {
	case "big":
		svid.Hint = strings.Repeat("x", 2<<20)
	case "none":
		answer.Svids = nil
	case "no-bundle":
		svid.Bundle = nil
	case "garbage":
		svid.X509Svid = []byte("this is no certificate")
	case "trailing":
		svid.X509Svid = append(svid.X509Svid, 0)
	}
	return answer
}

func checkMetadata(ctx context.Context) error {
	m, _ := metadata.FromIncomingContext(ctx)
	if v := m.Get("workload.spiffe.io"); len(v) != 1 || v[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	return nil
}

func (s *server) look() (string, chan struct{}, chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.x509, s.changed, s.cut
}

func (s *server) count(calls, open int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls += calls
	s.open += open
}

func (s *server) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if err := checkMetadata(stream.Context()); err != nil {
		return err
	}
	s.count(1, 1)
	defer s.count(0, -1)
	for {
		kind, changed, cut := s.look()
		switch kind {
		case "deny":
			return status.Error(codes.PermissionDenied, "no identity issued\x1b[31m")
		case "unavailable":
			return status.Error(codes.Unavailable, "not yet")
		case "end":
			return nil
		case "silent":
		default:
			s.mutex.Lock()
			answer := s.x509Answer(kind)
			s.mutex.Unlock()
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-cut:
			return status.Error(codes.Unavailable, "cut")
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// ---- JWT

func encode(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

func encodeJSON(value any) string { return encode(must(json.Marshal(value))) }

func (s *server) token(kind, audience string) string {
	if forged := s.forgedToken(kind); forged != "" {
		return forged
	}
	header := map[string]any{"alg": "ES256", "kid": "one", "typ": "JWT"}
	claims := map[string]any{"sub": hostID, "aud": []string{audience}, "exp": time.Now().Add(time.Hour).Unix()}
	key := s.jwtKey
	switch kind {
	case "alg-none":
		header["alg"] = "none"
	case "alg-hmac":
		header["alg"] = "HS256"
	case "alg-rsa":
		header["alg"] = "RS256"
	case "no-kid":
		delete(header, "kid")
	case "other-kid":
		header["kid"] = "two"
	case "more-header":
		header["jku"] = "https://example.org/keys"
	case "other-key":
		key = newKey()
	case "other-audience":
		claims["aud"] = []string{"somebody else"}
	case "no-audience":
		delete(claims, "aud")
	case "one-audience":
		claims["aud"] = audience
	case "expired":
		claims["exp"] = time.Now().Add(-time.Second).Unix()
	case "no-expiry":
		delete(claims, "exp")
	case "other-subject":
		claims["sub"] = "spiffe://example.org/other"
	case "other-domain":
		claims["sub"] = "spiffe://partner.example/host"
	}
	text := encodeJSON(header) + "." + encodeJSON(claims)
	if kind == "alg-none" {
		return text + "."
	}
	return text + "." + encode(signES256(key, text))
}

func (s *server) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := checkMetadata(ctx); err != nil {
		return nil, err
	}
	if len(r.Audience) != 1 || r.SpiffeId != hostID {
		return nil, status.Error(codes.InvalidArgument, "an audience, and our own ID, were expected")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.jwt == "none" {
		return &workload.JWTSVIDResponse{}, nil
	}
	svid := &workload.JWTSVID{SpiffeId: hostID, Svid: s.token(s.jwt, r.Audience[0])}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{svid}}, nil
}

func (s *server) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	if err := checkMetadata(stream.Context()); err != nil {
		return err
	}
	s.mutex.Lock()
	own, partner := s.keySet(s.keys), s.keySet("partner")
	s.mutex.Unlock()
	err := stream.Send(&workload.JWTBundlesResponse{Bundles: map[string][]byte{
		"spiffe://example.org": own, "spiffe://partner.example": partner}})
	if err == nil {
		<-stream.Context().Done()
	}
	return err
}

// ---- control

func (s *server) obey(words []string) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case len(words) == 2 && words[0] == "x509":
		s.x509 = words[1]
		close(s.changed)
		s.changed = make(chan struct{})
	case len(words) == 2 && words[0] == "jwt":
		s.jwt = words[1]
	case len(words) == 2 && words[0] == "keys":
		s.keys = words[1]
	case len(words) == 1 && words[0] == "cut":
		close(s.cut)
		s.cut = make(chan struct{})
	case len(words) == 1 && words[0] == "calls":
		return fmt.Sprint(s.calls)
	case len(words) == 1 && words[0] == "key":
		return hex.EncodeToString(s.last)
	case len(words) == 1 && words[0] == "open":
		return fmt.Sprint(s.open)
	default:
		return "unknown"
	}
	return "ok"
}

func main() {
	s := &server{
		changed: make(chan struct{}), cut: make(chan struct{}), x509: "good", jwt: "good",
		good: newAuthority("good"), other: newAuthority("other"), jwtKey: newKey(), partnerKey: newKey(),
	}
	listener := must(net.Listen("unix", os.Args[1]))
	api := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(api, s)
	go func() { _ = api.Serve(listener) }()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(s.obey(strings.Fields(lines.Text())))
	}
	api.Stop()
}
