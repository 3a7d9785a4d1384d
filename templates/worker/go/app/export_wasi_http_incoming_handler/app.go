// Package export_wasi_http_incoming_handler has the name that the bindings look for.
package export_wasi_http_incoming_handler

import (
	"strings"

	http "wit_component/wasi_http_types"
	consumer "wit_component/wasmcloud_messaging_consumer"
)

const patienceMs = 2000

// Handle answers one request: what follows the slash is the name of whom to greet; whoever works on `jobs.greet`
// knows how.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	defer request.Drop()
	name := strings.TrimPrefix(request.PathWithQuery().SomeOr("/"), "/")
	if name == "" {
		name = "world"
	}
	reply := consumer.Request("jobs.greet", []byte(name), patienceMs)
	if reply.IsErr() {
		answer(out, 503, "text/plain; charset=utf-8", "Nobody greets: "+reply.Err()+"\n")
		return
	}
	answer(out, 200, "text/plain; charset=utf-8", string(reply.Ok().Body)+"\n")
}
