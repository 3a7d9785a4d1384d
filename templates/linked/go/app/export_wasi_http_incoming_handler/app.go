// Package export_wasi_http_incoming_handler has the name that the bindings look for.
package export_wasi_http_incoming_handler

import (
	"strings"

	greetings "wit_component/example_linked_greetings"
	http "wit_component/wasi_http_types"
)

// Handle answers one request: what follows the slash is the name of whom to greet; the greeter knows how.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	defer request.Drop()
	name := strings.TrimPrefix(request.PathWithQuery().SomeOr("/"), "/")
	if name == "" {
		name = "world"
	}
	answer(out, 200, "text/plain; charset=utf-8", greetings.Greet(name)+"\n")
}
