package e2e

import (
	"flag"
	"os"
	"testing"

	controller "github.com/flyteorg/flyte/flytepropeller/cmd/controller/cmd"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/propeller"
)

// TestMain runs the tests, or becomes FlytePropeller when a test started this binary for that.
func TestMain(m *testing.M) {
	if propeller.IsChild() {
		controller.Execute()
		return
	}
	// Tests wait far more than they compute. `-parallel` still has the last word.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	// The controller parses an empty command line when it is linked in: ours is not yet read.
	flag.Parse()
	os.Exit(m.Run())
}
