// SPDX-License-Identifier: Apache-2.0

// A receiver of logs that decodes them as the OpenTelemetry Collector does, with its own package. Listens on a
// free port of the loopback interface, which is its first line; then a line of JSON for every record.
// `/fail?code=N&times=M` makes the next M requests fail.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

type receiver struct {
	mutex sync.Mutex
	code  int
	times int
	out   *json.Encoder
}

func (r *receiver) fails() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.times == 0 {
		return 0
	}
	r.times--
	return r.code
}

func attributes(m pcommon.Map) map[string]any { return m.AsRaw() }

func (r *receiver) tell(q plogotlp.ExportRequest) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, resource := range q.Logs().ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				_ = r.out.Encode(map[string]any{
					"resource":   attributes(resource.Resource().Attributes()),
					"scope":      scope.Scope().Name(),
					"time":       record.Timestamp().AsTime().Unix(),
					"severity":   int(record.SeverityNumber()),
					"body":       record.Body().AsString(),
					"attributes": attributes(record.Attributes()),
				})
			}
		}
	}
}

func (r *receiver) logs(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	q := plogotlp.NewExportRequest()
	if code := r.fails(); code != 0 {
		w.WriteHeader(code)
		return
	}
	if err == nil && request.Header.Get("Content-Type") == "application/json" {
		err = q.UnmarshalJSON(body)
	} else if err == nil {
		err = fmt.Errorf("unexpected content type")
	}
	if err != nil {
		_ = r.out.Encode(map[string]any{"error": err.Error()})
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.tell(q)
	w.Header().Set("Content-Type", "application/json")
	answer, _ := plogotlp.NewExportResponse().MarshalJSON()
	_, _ = w.Write(answer)
}

func (r *receiver) fail(w http.ResponseWriter, request *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.code, _ = strconv.Atoi(request.URL.Query().Get("code"))
	r.times, _ = strconv.Atoi(request.URL.Query().Get("times"))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	r := &receiver{out: json.NewEncoder(os.Stdout)}
	http.HandleFunc("POST /base/v1/logs", r.logs)
	http.HandleFunc("POST /v1/logs", r.logs)
	http.HandleFunc("POST /fail", r.fail)
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
