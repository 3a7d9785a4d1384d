// SPDX-License-Identifier: Apache-2.0

// Package export_example_plug_ins_plugin finds the longest word. It has the name that the bindings look for.
package export_example_plug_ins_plugin

import (
	"strings"

	. "go.bytecodealliance.org/pkg/wit/types"
	plugin "wit_component/example_plug_ins_plugin"
)

// Run finds the first of the longest words.
func Run(text string) Result[string, plugin.Failure] {
	longest := ""
	for _, word := range strings.Fields(text) {
		if len(word) > len(longest) {
			longest = word
		}
	}
	if longest == "" {
		return Err[string, plugin.Failure](plugin.MakeFailureDeclined("there is no word in it"))
	}
	return Ok[string, plugin.Failure](longest)
}
