// Package deploy tests the manifests beside it against the API's own types. It is a
// module of its own so that gen does not depend on Kubernetes.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// strict decodes as the API server does: a field that the API does not have, by
// its very letters, or that stands twice, is an error.
func strict(document []byte, into any) error {
	b, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(b, into)
	return errors.Join(append(unknown, err)...)
}

// decode reads the documents of a file.
func decode(t *testing.T, name string, into ...any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(b, []byte("\n---\n"))
	if len(documents) != len(into) {
		t.Fatalf("%s holds %d documents, not %d", name, len(documents), len(into))
	}
	for i, d := range documents {
		if err := strict(d, into[i]); err != nil {
			t.Errorf("%s, document %d: %v", name, i+1, err)
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	b, err := os.ReadFile("dump-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"  completionmode: Indexed\n", "  replicas: 8\n", "  completions: many\n"} {
		other := strings.Replace(string(b), "  completions: 8\n", wrong, 1)
		if err := strict([]byte(other), &batchv1.Job{}); err == nil {
			t.Errorf("a Job with %q is accepted", wrong)
		}
	}
}

func TestDumpJob(t *testing.T) {
	var job batchv1.Job
	decode(t, "dump-job.yaml", &job)
	if *job.Spec.CompletionMode != batchv1.IndexedCompletion || *job.Spec.Completions != *job.Spec.Parallelism {
		t.Error("the job is not indexed, or its shards do not run side by side")
	}
	checkPod(t, job.Spec.Template.Spec, "$(JOB_COMPLETION_INDEX)", int(*job.Spec.Completions))
}

func TestStreamStatefulSet(t *testing.T) {
	var service corev1.Service
	var set appsv1.StatefulSet
	decode(t, "stream-statefulset.yaml", &service, &set)
	pod := set.Spec.Template
	if set.Spec.ServiceName != service.Name || service.Spec.Selector["app"] != pod.Labels["app"] || set.Spec.Selector.MatchLabels["app"] != pod.Labels["app"] {
		t.Error("service, set and pods do not belong together")
	}
	gen := pod.Spec.Containers[0]
	if field := gen.Env[0].ValueFrom.FieldRef.FieldPath; gen.Env[0].Name != "SHARD" || field != "metadata.labels['apps.kubernetes.io/pod-index']" {
		t.Errorf("the shard is %s", field)
	}
	for path, probe := range map[string]*corev1.Probe{"/readyz": gen.ReadinessProbe, "/healthz": gen.LivenessProbe} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != gen.Ports[0].Name {
			t.Errorf("the probe of %s asks %s, port %s", path, probe.HTTPGet.Path, probe.HTTPGet.Port.StrVal)
		}
	}
	checkPod(t, pod.Spec, "$(SHARD)", int(*set.Spec.Replicas))
}

// checkPod checks what both have in common, and that gen takes the flags.
func checkPod(t *testing.T, pod corev1.PodSpec, index string, shards int) {
	t.Helper()
	if !*pod.SecurityContext.RunAsNonRoot {
		t.Error("the pod may run as root")
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		if *c.SecurityContext.AllowPrivilegeEscalation || !*c.SecurityContext.ReadOnlyRootFilesystem || c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("container %s may write to its image or gain rights, or has no bounds", c.Name)
		}
	}
	args := slices.Clone(pod.Containers[0].Args)
	want := fmt.Sprintf("%s/%d", index, shards)
	if at := slices.Index(args, "--shard"); at < 0 || args[at+1] != want {
		t.Fatalf("--shard is not %s: %v", want, args)
	}
	// The snapshot as the manifest makes it, then a dry run of the last shard.
	gen := build(t)
	state := filepath.Join(t.TempDir(), "state")
	run(t, gen, state, pod.InitContainers[0].Args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], index, fmt.Sprint(shards-1))
	}
	run(t, gen, state, append(args, "--dry-run")...)
}

func run(t *testing.T, gen, state string, args ...string) {
	t.Helper()
	args = slices.Clone(args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "/state", state)
	}
	if out, err := exec.Command(gen, args...).CombinedOutput(); err != nil {
		t.Errorf("gen %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func build(t *testing.T) string {
	t.Helper()
	gen := filepath.Join(t.TempDir(), "gen")
	cmd := exec.Command("go", "build", "-o", gen, "./cmd/gen")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return gen
}
