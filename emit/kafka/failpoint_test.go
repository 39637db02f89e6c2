package kafka

import (
	"slices"
	"testing"
)

// failpoints are the moments at which the crash suite kills a delivery, in
// their order.
var failpoints = []string{
	"afterInit",            // the producer has begun, the cursor is not read yet
	"afterRecover",         // it is known where to go on, nothing is sent yet
	"afterBegin",           // the client is in a transaction, the broker is not
	"afterFirstProduce",    // the first record is on its way
	"afterEvents",          // every event is on its way, the cursor record is not
	"afterCursorRecord",    // the cursor record is on its way too
	"afterFlush",           // all is acknowledged, nothing is committed
	"afterEndTxn",          // committed, the state directory does not know it
	"afterSave",            // committed and saved
	"afterLastTransaction", // the run is over, the session is still open
}

// A failpoint that the code does not pass would kill nobody.
func TestFailpointsArePassed(t *testing.T) {
	var passed []string
	testOnlyFailpoint = func(name string) { passed = append(passed, name) }
	defer func() { testOnlyFailpoint = func(string) {} }()
	deliverTo(t, cluster(t), testSequence(t), 10)
	if !slices.Equal(passed, failpoints) {
		t.Errorf("passed %q, want %q", passed, failpoints)
	}
}
