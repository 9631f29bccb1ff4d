package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	sigsyaml "sigs.k8s.io/yaml"
)

// Where the manifests are: those of one server on SQLite, and of several on Postgres.
const (
	deployDir   = "../deploy"
	postgresDir = "../deploy/postgres"
)

// onEach runs a test on both.
func onEach(t *testing.T, test func(t *testing.T, dir string)) {
	t.Parallel()
	for _, dir := range []string{deployDir, postgresDir} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			test(t, dir)
		})
	}
}

// kustomization is what we use of kustomize's file, which is no Kubernetes object.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Namespace       string   `json:"namespace"`
	Resources       []string `json:"resources"`
	Images          []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

func kustomize(t *testing.T, dir string) kustomization {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	require.NoError(t, err)
	var k kustomization
	require.NoError(t, sigsyaml.UnmarshalStrict(text, &k))
	return k
}

// manifests are all objects that are applied, and the example of a Secret.
func manifests(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	var all []runtime.Object
	for _, name := range append(kustomize(t, dir).Resources, "secret.yaml.example") {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		objects, err := decodeManifest(text)
		require.NoError(t, err, name)
		all = append(all, objects...)
	}
	return all
}

// decodeManifest decodes every document as Kubernetes 1.34 does with strict validation: a field
// that it does not know, or that comes twice, is an error.
func decodeManifest(text []byte) ([]runtime.Object, error) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var all []runtime.Object
	for {
		document, err := documents.Read()
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read a document: %w", err)
		case blank(document):
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("decode a document: %w", err)
		}
		all = append(all, object)
	}
}

// blank says whether a document holds nothing but comments.
func blank(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// one returns the only object of a type.
func one[T runtime.Object](t *testing.T, all []runtime.Object) T {
	t.Helper()
	found := some[T](all)
	require.Len(t, found, 1, "%T", *new(T))
	return found[0]
}

func some[T runtime.Object](all []runtime.Object) []T {
	var found []T
	for _, o := range all {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

func TestEveryManifestIsApplied(t *testing.T) {
	onEach(t, func(t *testing.T, dir string) {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			if name := filepath.Base(file); name != "kustomization.yaml" {
				require.Contains(t, kustomize(t, dir).Resources, name)
			}
		}
	})
}

// What does not depend on the store is the same in both.
func TestSharedManifestsAreTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"serviceaccount.yaml", "service.yaml", "networkpolicy.yaml"} {
		want, err := os.ReadFile(filepath.Join(deployDir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(postgresDir, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestManifestsAreDecodedStrictly(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an unknown field": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIp: None}\n",
		"a field twice":    "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nmetadata: {name: b}\n",
		"a wrong type":     "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: one}\n",
		"an unknown kind":  "apiVersion: v1\nkind: Sevice\n",
	} {
		_, err := decodeManifest([]byte(text))
		require.Error(t, err, name)
	}
	all, err := decodeManifest([]byte("# nothing\n---\napiVersion: v1\nkind: Service\n---\n"))
	require.NoError(t, err)
	require.Len(t, all, 1)
}
