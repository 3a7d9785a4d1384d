// SPDX-License-Identifier: Apache-2.0

// Package export_wasi_http_incoming_handler is the HTTP guest in Go; ../README.md says what each route
// answers. The package has the name that the generated bindings look for.
package export_wasi_http_incoming_handler

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/wasi_clocks_monotonic_clock"
	http "wit_component/wasi_http_types"
	io "wit_component/wasi_io_streams"
	"wit_component/wasi_random_random"
)

const chunkBytes = 65536

// Handle is the export of the component.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	defer request.Drop()
	path, query, _ := strings.Cut(request.PathWithQuery().SomeOr("/"), "?")
	values, _ := url.ParseQuery(query)
	switch path {
	case "/hello":
		answer(out, 200, "hello from Go\n")
	case "/echo":
		echo(request, out)
	case "/headers":
		answer(out, 200, headers(request))
	case "/query":
		answer(out, 200, fmt.Sprintf("method: %s\nauthority: %s\nquery: %s\n",
			method(request.Method()), request.Authority().SomeOr(""), query))
	case "/fetch":
		fetch(request, values.Get("url"), out)
	case "/wait":
		ms, _ := strconv.ParseUint(values.Get("ms"), 10, 32)
		ready := wasi_clocks_monotonic_clock.SubscribeDuration(ms * 1_000_000)
		ready.Block()
		ready.Drop()
		answer(out, 200, fmt.Sprintf("waited %d ms\n", ms))
	case "/random":
		answer(out, 200, fmt.Sprintf("%x\n", wasi_random_random.GetRandomBytes(16)))
	case "/env":
		answer(out, 200, strings.Join(append(os.Environ(), ""), "\n"))
	case "/stdout":
		fmt.Println("a line from the guest")
		answer(out, 200, "written\n")
	case "/trap":
		panic("on purpose")
	case "/spin":
		for {
		}
	case "/alloc":
		for kept := [][]byte{}; ; {
			kept = append(kept, []byte(strings.Repeat("x", 1<<20)))
		}
	default:
		answer(out, 404, "no such route\n")
	}
}

func method(method http.Method) string {
	names := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	if method.Tag() == http.Method_Other {
		return method.Other()
	}
	return names[method.Tag()]
}

// writeAll writes as fast as the host takes it; false when the stream is closed.
func writeAll(stream *io.OutputStream, data []byte) bool {
	for len(data) > 0 {
		room := stream.CheckWrite()
		if room.IsErr() {
			return false
		}
		if room.Ok() == 0 {
			ready := stream.Subscribe()
			ready.Block()
			ready.Drop()
			continue
		}
		piece := data[:min(uint64(len(data)), room.Ok())]
		if stream.Write(piece).IsErr() {
			return false
		}
		data = data[len(piece):]
	}
	return true
}

// copyAll copies `from` to its end; false when either side breaks.
func copyAll(to *io.OutputStream, from *io.InputStream) bool {
	for {
		piece := from.BlockingRead(chunkBytes)
		if piece.IsErr() {
			return piece.Err().Tag() == io.StreamError_Closed
		}
		if !writeAll(to, piece.Ok()) {
			return false
		}
	}
}

func startAnswer(out *http.ResponseOutparam, status uint16, headers *http.Fields) *http.OutgoingBody {
	response := http.MakeOutgoingResponse(headers)
	response.SetStatusCode(status)
	body := response.Body().Ok()
	http.ResponseOutparamSet(out, Ok[*http.OutgoingResponse, http.ErrorCode](response))
	return body
}

func answer(out *http.ResponseOutparam, status uint16, text string) {
	headers := http.MakeFields()
	headers.Set("content-type", [][]uint8{[]byte("text/plain")})
	body := startAnswer(out, status, headers)
	stream := body.Write().Ok()
	writeAll(stream, []byte(text))
	stream.Drop()
	http.OutgoingBodyFinish(body, None[*http.Fields]())
}

// relay copies a body through and ends it, unless a side breaks: then the receiver must see that it is cut.
func relay(to *http.OutgoingBody, from *http.IncomingBody) {
	source := from.Stream().Ok()
	sink := to.Write().Ok()
	whole := copyAll(sink, source)
	source.Drop()
	sink.Drop()
	from.Drop()
	if whole {
		http.OutgoingBodyFinish(to, None[*http.Fields]())
	} else {
		to.Drop()
	}
}

func echo(request *http.IncomingRequest, out *http.ResponseOutparam) {
	incoming := request.Headers()
	types := incoming.Get("content-type")
	incoming.Drop()
	headers := http.MakeFields()
	if len(types) > 0 {
		headers.Set("content-type", types)
	}
	relay(startAnswer(out, 200, headers), request.Consume().Ok())
}

func headers(request *http.IncomingRequest) string {
	fields := request.Headers()
	defer fields.Drop()
	text := ""
	for _, entry := range fields.Entries() {
		text += fmt.Sprintf("%s: %s\n", entry.F0, entry.F1)
	}
	return text
}
