package main

import (
	"errors"
	"fmt"
	"io/fs"

	"gen/core"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// epochEvents returns how many events --epochs asks for.
func epochEvents(c *cli.Context, state string) (uint64, error) {
	epochs, err := number(c, "epochs")
	switch {
	case err != nil:
		return 0, err
	case c.IsSet("count") || c.IsSet("from"):
		return 0, fmt.Errorf("%w: --epochs stands for --count, from event 0 on: give no --count and no --from", errUsage)
	case epochs == 0:
		return 0, fmt.Errorf("%w: --epochs 0: want 1 or more", errUsage)
	}
	const hint = "gen snapshot --profile movielens"
	snapshot, err := store.Open(state).LoadSnapshot()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, withHint(fmt.Errorf("%w: --epochs needs a snapshot of the profile movielens; there is none in %s", errUsage, state), hint)
	}
	if err != nil {
		return 0, snapshotTrouble(err)
	}
	lists := snapshot.Lists()
	if lists == nil {
		return 0, withHint(fmt.Errorf("%w: --epochs: the profile %s has no epochs: a user may rate a movie again at any time", errUsage, snapshot.Recipe.Profile), hint)
	}
	if epochs > maxCount/lists.Epoch() {
		return 0, fmt.Errorf("%w: --epochs %d of %d events pass the last event, 2^53", errUsage, epochs, lists.Epoch())
	}
	return epochs * lists.Epoch(), nil
}

// realUsers is the largest userId of MovieLens-20M.
const realUsers = 138493

// epochText says what an epoch is and from which event on the userIds are above
// those of MovieLens-20M; of a profile without epochs only whether they are.
func epochText(s *core.Snapshot) string {
	lists := s.Lists()
	if lists == nil {
		if users := s.Tables().Users(); users > realUsers {
			return fmt.Sprintf("userIds go up to %d: MovieLens-20M ends at %d", users, realUsers)
		}
		return ""
	}
	passed := uint64(realUsers/lists.Users()) * lists.Epoch()
	return fmt.Sprintf("each %d events are an epoch with users of its own (--epochs 1 ends after the first); from event %d on userIds pass %d", lists.Epoch(), passed, realUsers)
}
