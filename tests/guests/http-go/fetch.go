// SPDX-License-Identifier: Apache-2.0

package export_wasi_http_incoming_handler

import (
	"fmt"
	"net/url"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/wasi_http_outgoing_handler"
	http "wit_component/wasi_http_types"
)

// The error codes that the tests look at, as the WIT spells them.
var errorNames = map[uint8]string{
	http.ErrorCode_HttpRequestDenied:       "HTTP-request-denied",
	http.ErrorCode_ConnectionRefused:       "connection-refused",
	http.ErrorCode_DnsError:                "DNS-error",
	http.ErrorCode_DestinationIpProhibited: "destination-IP-prohibited",
}

func refuse(out *http.ResponseOutparam, code http.ErrorCode) {
	name, known := errorNames[code.Tag()]
	if !known {
		name = fmt.Sprintf("number %d", code.Tag())
	}
	answer(out, 502, fmt.Sprintf("error: %s\n", name))
}

func requestTo(target *url.URL, method http.Method) *http.OutgoingRequest {
	scheme := http.MakeSchemeHttp()
	if target.Scheme == "https" {
		scheme = http.MakeSchemeHttps()
	}
	outgoing := http.MakeOutgoingRequest(http.MakeFields())
	outgoing.SetMethod(method)
	outgoing.SetScheme(Some(scheme))
	outgoing.SetAuthority(Some(target.Host))
	outgoing.SetPathWithQuery(Some(target.RequestURI()))
	return outgoing
}

// fetch sends the request on, a POST with its body, and relays status and body.
func fetch(request *http.IncomingRequest, text string, out *http.ResponseOutparam) {
	target, err := url.Parse(text)
	if err != nil || (target.Scheme != "http" && target.Scheme != "https") {
		answer(out, 400, "no usable ?url=\n")
		return
	}
	outgoing := requestTo(target, request.Method())
	body := outgoing.Body().Ok()
	sent := wasi_http_outgoing_handler.Handle(outgoing, None[*http.RequestOptions]())
	if sent.IsErr() {
		body.Drop()
		refuse(out, sent.Err())
		return
	}
	if request.Method().Tag() == http.Method_Post {
		relay(body, request.Consume().Ok())
	} else {
		http.OutgoingBodyFinish(body, None[*http.Fields]())
	}
	future := sent.Ok()
	defer future.Drop()
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	result := future.Get().Some().Ok() // the outer result: taken once
	if result.IsErr() {
		refuse(out, result.Err())
		return
	}
	response := result.Ok()
	defer response.Drop()
	headers := http.MakeFields()
	headers.Set("x-relayed", [][]uint8{[]byte("1")})
	relay(startAnswer(out, response.Status(), headers), response.Consume().Ok())
}
