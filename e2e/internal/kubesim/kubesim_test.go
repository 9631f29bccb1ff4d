package kubesim_test

import (
	"context"
	"testing"
	"time"

	"github.com/flyteorg/flyte/flytepropeller/pkg/apis/flyteworkflow/v1alpha1"
	"github.com/flyteorg/flyte/flytepropeller/pkg/client/clientset/versioned"
	typed "github.com/flyteorg/flyte/flytepropeller/pkg/client/clientset/versioned/typed/flyteworkflow/v1alpha1"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/flyte-notifier/flyte-notifier/e2e/internal/kubesim"
)

// running is the selector with which FlytePropeller leaves out what has ended.
const running = "termination-status notin (terminated)"

func workflows(t *testing.T) (context.Context, typed.FlyteWorkflowInterface) {
	t.Helper()
	t.Parallel()
	server, err := kubesim.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := versioned.NewForConfig(&rest.Config{Host: server.URL()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx, client.FlyteworkflowV1alpha1().FlyteWorkflows("ml-production")
}

func create(t *testing.T, ctx context.Context, c typed.FlyteWorkflowInterface, name string, finalizers ...string) *v1alpha1.FlyteWorkflow {
	t.Helper()
	wf := &v1alpha1.FlyteWorkflow{ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: finalizers, Labels: map[string]string{}}}
	wf, err := c.Create(ctx, wf, metav1.CreateOptions{})
	require.NoError(t, err)
	return wf
}

func TestObjectsAreCreatedOnce(t *testing.T) {
	ctx, c := workflows(t)
	wf := create(t, ctx, c, "a")
	require.NotEmpty(t, wf.UID)
	require.Equal(t, "ml-production", wf.Namespace)
	got, err := c.Get(ctx, "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, wf.ResourceVersion, got.ResourceVersion)
	_, err = c.Create(ctx, &v1alpha1.FlyteWorkflow{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	require.True(t, apierrors.IsAlreadyExists(err), err)
	_, err = c.Get(ctx, "b", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), err)
}

func TestUpdatesFollowTheResourceVersion(t *testing.T) {
	ctx, c := workflows(t)
	first := create(t, ctx, c, "a")
	second := first.DeepCopy()
	second.Status.Message = "changed"
	second, err := c.Update(ctx, second, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NotEqual(t, first.ResourceVersion, second.ResourceVersion)

	same, err := c.Update(ctx, second.DeepCopy(), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, second.ResourceVersion, same.ResourceVersion, "nothing changed")

	first.Status.Message = "too late"
	_, err = c.Update(ctx, first, metav1.UpdateOptions{})
	require.True(t, apierrors.IsConflict(err), err)
}

func TestFinalizersHoldADeletedObject(t *testing.T) {
	ctx, c := workflows(t)
	create(t, ctx, c, "a", "flyte.org/finalizer")
	require.NoError(t, c.Delete(ctx, "a", metav1.DeleteOptions{}))
	held, err := c.Get(ctx, "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotNil(t, held.DeletionTimestamp)
	require.NoError(t, c.Delete(ctx, "a", metav1.DeleteOptions{}), "twice is no error")
	held.Finalizers = nil
	_, err = c.Update(ctx, held, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = c.Get(ctx, "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), err)
	require.True(t, apierrors.IsNotFound(c.Delete(ctx, "a", metav1.DeleteOptions{})))
}

func TestAWatchSeesWhatItSelects(t *testing.T) {
	ctx, c := workflows(t)
	create(t, ctx, c, "before")
	all, err := c.List(ctx, metav1.ListOptions{LabelSelector: running})
	require.NoError(t, err)
	require.Len(t, all.Items, 1)
	w, err := c.Watch(ctx, metav1.ListOptions{LabelSelector: running, ResourceVersion: all.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()

	wf := create(t, ctx, c, "a")
	next(t, w, watch.Added, "a")
	wf.Status.Message = "changed"
	wf, err = c.Update(ctx, wf, metav1.UpdateOptions{})
	require.NoError(t, err)
	next(t, w, watch.Modified, "a")
	wf.Labels = map[string]string{"termination-status": "terminated"}
	wf, err = c.Update(ctx, wf, metav1.UpdateOptions{})
	require.NoError(t, err)
	next(t, w, watch.Deleted, "a")
	wf.Labels = nil
	_, err = c.Update(ctx, wf, metav1.UpdateOptions{})
	require.NoError(t, err)
	next(t, w, watch.Added, "a")
	require.NoError(t, c.Delete(ctx, "before", metav1.DeleteOptions{}))
	next(t, w, watch.Deleted, "before")
}

func next(t *testing.T, w watch.Interface, want watch.EventType, name string) {
	t.Helper()
	e, ok := <-w.ResultChan()
	require.True(t, ok, "the watch ended")
	require.Equal(t, want, e.Type)
	require.Equal(t, name, e.Object.(*v1alpha1.FlyteWorkflow).Name)
}

func TestAWatchEndsInTime(t *testing.T) {
	ctx, c := workflows(t)
	w, err := c.Watch(ctx, metav1.ListOptions{ResourceVersion: "1", TimeoutSeconds: new(int64(1))})
	require.NoError(t, err)
	_, ok := <-w.ResultChan()
	require.False(t, ok)
	require.NoError(t, ctx.Err())
}

func TestOtherResourcesAreEmptyOrMissing(t *testing.T) {
	t.Parallel()
	server, err := kubesim.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL()})
	require.NoError(t, err)
	templates, err := client.CoreV1().PodTemplates("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, templates.Items)
	_, err = client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsNotFound(err), err)
}
