package kafka

// testOnlyFailpoint is called at the moments of a delivery at which the crash
// suite kills the process, with the name of the moment.
var testOnlyFailpoint = func(string) {}
