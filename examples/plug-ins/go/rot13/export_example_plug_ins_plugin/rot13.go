// SPDX-License-Identifier: Apache-2.0

// Package export_example_plug_ins_plugin shifts letters by half the alphabet. It has the name that the bindings look for.
package export_example_plug_ins_plugin

import (
	"strings"

	. "go.bytecodealliance.org/pkg/wit/types"
	plugin "wit_component/example_plug_ins_plugin"
)

func shift(letter rune) rune {
	switch {
	case letter >= 'a' && letter <= 'z':
		return 'a' + (letter-'a'+13)%26
	case letter >= 'A' && letter <= 'Z':
		return 'A' + (letter-'A'+13)%26
	}
	return letter
}

// Run shifts each letter.
func Run(text string) Result[string, plugin.Failure] {
	return Ok[string, plugin.Failure](strings.Map(shift, text))
}
