// Package export_wasi_http_incoming_handler has the name that the bindings look for.
package export_wasi_http_incoming_handler

import (
	"fmt"

	http "wit_component/wasi_http_types"
	atomics "wit_component/wasi_keyvalue_atomics"
	keyvalue "wit_component/wasi_keyvalue_store"
)

// Handle answers one request.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	defer request.Drop()
	visits, counted := count()
	if !counted {
		answer(out, 503, "text/plain; charset=utf-8", "The counter cannot be reached.\n")
		return
	}
	answer(out, 200, "text/plain; charset=utf-8", fmt.Sprintf("Hello, visitor number %d.\n", visits))
}

// count adds one more visitor. Atomic: two requests at one time, in any process, never get the same number.
func count() (uint64, bool) {
	opened := keyvalue.Open("pages")
	if opened.IsErr() {
		return 0, false
	}
	bucket := opened.Ok()
	defer bucket.Drop()
	sum := atomics.Increment(bucket, "visits", 1)
	if sum.IsErr() {
		return 0, false
	}
	return sum.Ok(), true
}
