package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// repairWays are the three repairs, by flag.
var repairWays = map[string]func(context.Context, *repairJob) (repairAnswer, error){
	"from-topic":    repairFromTopic,
	"accept-broker": repairAcceptBroker,
	"end-hanging":   repairEndHanging,
}

func repairCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "repair",
		Usage:     "mend the cursor of a run into Kafka, or end its hanging transaction",
		UsageText: "gen repair [flags] --from-topic|--accept-broker|--end-hanging TARGET",
		ArgsUsage: "TARGET",
		Description: "Prints what it would do; --yes does it. gen stream says which way is wanted when\n" +
			"it refuses to go on:\n\n" +
			"  gen repair --run seed-42 --end-hanging kafka://127.0.0.1:9092/ratings\n" +
			"  gen repair --run seed-42 --from-topic --yes kafka://127.0.0.1:9092/ratings\n\n" +
			"--from-topic writes the cursor anew, from the headers of the records in the topic;\n" +
			"the schedule is that of the state directory, or else of --rate and --start.\n" +
			"--accept-broker puts the state directory back to the broker's cursor, when the\n" +
			"broker has lost committed events: they are sent again. --end-hanging ends a\n" +
			"transaction whose end the broker has lost (KAFKA-20734). A process that drives\n" +
			"the run is shut out by the first and the last.",
		Flags: concat(stateFlags(), sequenceFlags(), clusterFlags(), []cli.Flag{
			runFlag(), takeOverFlag(), shardFlag(),
			&cli.BoolFlag{Name: "from-topic", Usage: "write the cursor anew from the topic", Category: catTarget, DisableDefaultText: true},
			&cli.BoolFlag{Name: "accept-broker", Usage: "put the state directory back to the broker's cursor", Category: catTarget, DisableDefaultText: true},
			&cli.BoolFlag{Name: "end-hanging", Usage: "end the run's hanging transaction", Category: catTarget, DisableDefaultText: true},
			&cli.BoolFlag{Name: "yes", Usage: "do it", Category: catRun, DisableDefaultText: true},
		}),
		Action: func(c *cli.Context) error { return runRepair(c, e) },
	}
}

// repairJob is a repair with all that its ways need.
type repairJob struct {
	kafka.Repair
	target string
	act    bool
	file   *store.RunFile // nil when it only plans
}

// repairAnswer is what repair prints.
type repairAnswer struct {
	Target string             `json:"target"`
	Run    string             `json:"run"`
	Way    string             `json:"way"`
	Done   bool               `json:"done"`
	Plan   string             `json:"plan"`
	Next   *uint64            `json:"next,omitempty"` // where the run goes on after it
	Open   *kafka.HangingPlan `json:"open,omitempty"`

	idle bool // there is nothing to do
}

func (a repairAnswer) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, run %s: %s\n", a.Target, a.Run, a.Plan)
	if a.Open != nil {
		for _, o := range a.Open.Open {
			fmt.Fprintf(&b, "  open: producer %d, epoch %d: %s\n", o.ProducerID, o.ProducerEpoch, o)
		}
		fmt.Fprintf(&b, "  the coordinator says %s of %s\n", a.Open.State, a.Open.TransactionalID)
	}
	switch {
	case a.idle:
	case a.Done:
		b.WriteString("done\n")
	default:
		b.WriteString("nothing was changed; --yes does it\n")
	}
	return b.String()
}

func runRepair(c *cli.Context, e *env) error {
	way, target, err := parseRepair(c)
	if err != nil {
		return err
	}
	config, err := parseCluster(c, e, target)
	if err != nil {
		return err
	}
	config.TakeOver = c.Bool("take-over")
	schedule, err := parseSchedule(c, e.now)
	if err != nil {
		return err
	}
	job, err := openRepair(c, e, config, schedule)
	if err != nil {
		return topicTrouble(err, config, sameRun(c))
	}
	defer job.close()
	answer, err := repairWays[way](c.Context, job)
	if err != nil {
		return topicTrouble(err, config, sameRun(c))
	}
	answer.Target, answer.Run, answer.Way, answer.Done = target, job.Run.Name, way, job.act && !answer.idle
	return e.answer(c.Bool("json"), answer)
}

func parseRepair(c *cli.Context) (way, target string, err error) {
	for name := range repairWays {
		if c.Bool(name) && way != "" {
			return "", "", fmt.Errorf("%w: --%s and --%s: one at a time", errUsage, min(way, name), max(way, name))
		}
		if c.Bool(name) {
			way = name
		}
	}
	target = c.Args().First()
	switch {
	case way == "":
		return "", "", withHint(fmt.Errorf("%w: repair how? --from-topic, --accept-broker or --end-hanging", errUsage), "gen repair --help")
	case target == "":
		return "", "", withHint(fmt.Errorf("%w: repair what?", errUsage), "gen repair --run NAME --"+way+" kafka://host:port/topic")
	}
	return way, target, nil
}

func (job *repairJob) close() {
	if job.file != nil {
		_ = job.file.Close() // what was saved is durable
	}
}

// openRepair puts together what the records of the run must be. One that acts holds
// the run in the state directory, so that no process of it is at work; one that
// plans changes nothing there.
func openRepair(c *cli.Context, e *env, config kafka.Config, asked scheduleOptions) (*repairJob, error) {
	snapshot, _, err := wouldOpenSnapshot(e, c.String("state"))
	if err != nil {
		return nil, err
	}
	known, err := lookUp(c.Context, config, false)
	if err != nil {
		return nil, err
	}
	run := core.Run{
		Name: runName(c), Target: known, Snapshot: snapshot.ID(), Recipe: snapshot.Recipe, Seed: c.Uint64("seed"), Format: core.FormatVersion, Schedule: asked.fresh,
		Shard: config.Shard.String(),
	}
	job := &repairJob{target: c.Args().First(), act: c.Bool("yes")}
	if job.act {
		job.file, job.Local, err = holdRun(e, c.String("state"), run)
	} else {
		job.Local, err = keptRun(c.String("state"), known, run.Name, config.Shard)
	}
	if err != nil {
		return nil, err
	}
	if local := job.Local; local.Next > 0 && !slices.ContainsFunc([]string{"rate", "start", "load", "arrivals", "schedule"}, c.IsSet) {
		run.Schedule = local.Schedule
	}
	job.Config, job.Run = config, run
	job.Sequence = &core.Sequence{Snapshot: snapshot, Seed: run.Seed, Schedule: run.Schedule}
	return job, nil
}

func holdRun(e *env, state string, run core.Run) (*store.RunFile, core.Run, error) {
	file, err := openRun(e, store.Open(state), run)
	if err != nil {
		return nil, core.Run{}, err
	}
	local, _, err := file.Load()
	if err != nil {
		return nil, core.Run{}, errors.Join(err, file.Close())
	}
	return file, local, nil
}

func repairFromTopic(ctx context.Context, job *repairJob) (repairAnswer, error) {
	read := job.PlanFromTopic
	if job.act {
		read = job.FromTopic
	}
	c, err := read(ctx)
	if err != nil {
		return repairAnswer{}, err
	}
	if job.act {
		kept := c
		kept.Shard = job.Shard.String()
		err = job.file.Save(kept.Run)
	}
	return repairAnswer{
		Plan: fmt.Sprintf("the records hold %s of incarnation %d, placed by %d partitions: write this cursor", files.RangeText(0, c.Next), c.Incarnation, c.Partitions),
		Next: &c.Next,
	}, err
}

func repairAcceptBroker(ctx context.Context, job *repairJob) (repairAnswer, error) {
	c, err := job.Behind(ctx)
	if err != nil {
		return repairAnswer{}, err
	}
	a := repairAnswer{Next: &c.Next}
	if !job.Local.Ahead(c.Run) {
		a.Plan = fmt.Sprintf("the state directory (next event %d) is not ahead of the broker (%d): there is nothing to accept", job.Local.Next, c.Next)
		a.idle = true
		return a, nil
	}
	a.Plan = fmt.Sprintf("the state directory says next event %d, the broker %d: put it back, so that events from %d on are sent again", job.Local.Next, c.Next, c.Next)
	if job.act {
		err = job.file.Save(c.Run)
	}
	return a, err
}

func repairEndHanging(ctx context.Context, job *repairJob) (repairAnswer, error) {
	plan, err := job.PlanHanging(ctx)
	if err != nil {
		return repairAnswer{}, err
	}
	a := repairAnswer{Open: &plan, Plan: fmt.Sprintf("%d partitions hold an open transaction: shut out its process and end it", len(plan.Open))}
	if len(plan.Open) == 0 {
		a.Plan, a.idle = "no transaction of it is open", true
		return a, nil
	}
	if job.act {
		err = job.EndHanging(ctx)
	}
	return a, err
}
