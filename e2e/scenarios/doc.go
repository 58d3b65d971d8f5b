// Package scenarios holds the list of hostile situations that the mirror has to stand, and makes sure that each is shown.
//
// A scenario has the letter of its section and a number. A test anywhere in the repository names those it shows in a line of its
// comment or, in a script archive, of the archive's:
//
//	// Scenarios: T1, T2.
//
// or in brackets behind its name. It names one only if it would fail without the right behaviour. What cannot be shown stands in a
// table here, with the reason.
package scenarios
