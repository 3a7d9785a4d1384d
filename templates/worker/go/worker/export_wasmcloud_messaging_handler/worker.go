// Package export_wasmcloud_messaging_handler has the name that the bindings look for.
package export_wasmcloud_messaging_handler

import (
	. "go.bytecodealliance.org/pkg/wit/types"
	consumer "wit_component/wasmcloud_messaging_consumer"
	messages "wit_component/wasmcloud_messaging_types"
)

// HandleMessage handles one message; a fresh instance for each. An error is in the log of the host.
func HandleMessage(message messages.BrokerMessage) Result[Unit, string] {
	if message.ReplyTo.IsNone() {
		return Err[Unit, string]("nobody waits for an answer")
	}
	text := "Hello, " + string(message.Body) + ". This is the worker, in Go."
	return consumer.Publish(messages.BrokerMessage{
		Subject: message.ReplyTo.Some(),
		Body:    []byte(text),
		ReplyTo: None[string](),
	})
}
