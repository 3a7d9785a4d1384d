package export_wasi_http_incoming_handler

import (
	. "go.bytecodealliance.org/pkg/wit/types"
	http "wit_component/wasi_http_types"
)

const pieceBytes = 4096 // as much as one blocking write takes

// answer sends a whole answer: status, content type, body.
func answer(out *http.ResponseOutparam, status uint16, kind, text string) {
	headers := http.MakeFields()
	headers.Set("content-type", [][]uint8{[]byte(kind)})
	response := http.MakeOutgoingResponse(headers)
	response.SetStatusCode(status)
	body := response.Body().Ok()
	http.ResponseOutparamSet(out, Ok[*http.OutgoingResponse, http.ErrorCode](response))
	stream := body.Write().Ok()
	for data := []byte(text); len(data) > 0; {
		piece := data[:min(len(data), pieceBytes)]
		if stream.BlockingWriteAndFlush(piece).IsErr() {
			break // the client has gone away
		}
		data = data[len(piece):]
	}
	stream.Drop()
	http.OutgoingBodyFinish(body, None[*http.Fields]())
}
