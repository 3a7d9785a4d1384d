// Package export_example_linked_greetings has the name that the bindings look for.
package export_example_linked_greetings

// Greet makes the words of a greeting.
func Greet(name string) string {
	return "Hello, " + name + ". This is the greeter, in Go."
}
