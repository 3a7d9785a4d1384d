// Package export_wasi_http_incoming_handler has the name that the bindings look for.
package export_wasi_http_incoming_handler

import http "wit_component/wasi_http_types"

// Handle answers one request.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	defer request.Drop()
	answer(out, 200, "text/plain; charset=utf-8", "Hello from Go.\n")
}
