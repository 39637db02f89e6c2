package kafka

// failpoints names the moments of a delivery at which the crash suite kills
// the process, in their order.
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

// testOnlyFailpoint is called at each failpoint with its name.
var testOnlyFailpoint = func(string) {}
