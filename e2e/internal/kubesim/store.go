// Package kubesim is the little of a Kubernetes API server that FlytePropeller needs: objects with
// resource versions, optimistic locking, finalizers and watches, for FlyteWorkflows and
// PodTemplates. Objects live in memory and outlive any client.
package kubesim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Resource is one kind of object that the API serves.
type Resource struct {
	schema.GroupVersionResource
	Kind     string
	ListKind string
}

// change is one entry of a resource's history. Before is nil for a new object.
type change struct {
	revision int64
	before   *unstructured.Unstructured
	after    *unstructured.Unstructured
	deleted  bool
}

// store holds the objects of one resource and all that ever happened to them. Its history is
// never compacted, so that no watch is ever told that its resource version is gone.
type store struct {
	resource Resource

	mu       sync.Mutex
	objects  map[string]*unstructured.Unstructured
	history  []change
	revision int64
	changed  chan struct{} // closed and replaced at every change
}

func newStore(r Resource) *store {
	return &store{
		resource: r,
		objects:  map[string]*unstructured.Unstructured{},
		revision: 1,
		changed:  make(chan struct{}),
	}
}

func key(namespace, name string) string { return namespace + "/" + name }

func (s *store) get(namespace, name string) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(namespace, name)
}

func (s *store) find(namespace, name string) (*unstructured.Unstructured, error) {
	obj, ok := s.objects[key(namespace, name)]
	if !ok {
		return nil, apierrors.NewNotFound(s.resource.GroupResource(), name)
	}
	return obj.DeepCopy(), nil
}

// list returns the matching objects by name, and the revision they are all of.
func (s *store) list(namespace string, selector labels.Selector) ([]unstructured.Unstructured, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []unstructured.Unstructured{}
	for _, k := range slices.Sorted(maps.Keys(s.objects)) {
		obj := s.objects[k]
		if matches(obj, namespace, selector) {
			items = append(items, *obj.DeepCopy())
		}
	}
	return items, s.revision
}

func matches(obj *unstructured.Unstructured, namespace string, selector labels.Selector) bool {
	return (namespace == "" || obj.GetNamespace() == namespace) && selector.Matches(labels.Set(obj.GetLabels()))
}

func (s *store) create(obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key(obj.GetNamespace(), obj.GetName())]; ok {
		return nil, apierrors.NewAlreadyExists(s.resource.GroupResource(), obj.GetName())
	}
	obj = obj.DeepCopy()
	obj.SetUID(types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", s.revision+1)))
	obj.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	s.record(nil, obj, false)
	return obj.DeepCopy(), nil
}

// update replaces an object that has not moved on since it was read. An update that changes
// nothing keeps the resource version, as the real server does: FlytePropeller relies on it.
func (s *store) update(obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(obj.GetNamespace(), obj.GetName())
	if err != nil {
		return nil, err
	}
	if v := obj.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(s.resource.GroupResource(), obj.GetName(),
			fmt.Errorf("the object is at %s, the update at %s", old.GetResourceVersion(), v))
	}
	obj = obj.DeepCopy()
	keepSystemFields(old, obj)
	if reflect.DeepEqual(old.Object, obj.Object) {
		return obj, nil
	}
	s.record(old, obj, obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0)
	return obj.DeepCopy(), nil
}

func keepSystemFields(old, obj *unstructured.Unstructured) {
	obj.SetResourceVersion(old.GetResourceVersion())
	obj.SetUID(old.GetUID())
	obj.SetCreationTimestamp(old.GetCreationTimestamp())
	obj.SetDeletionTimestamp(old.GetDeletionTimestamp())
	obj.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
}

// remove deletes an object, or marks it while finalizers hold it.
func (s *store) remove(namespace, name string) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(namespace, name)
	if err != nil {
		return nil, err
	}
	if len(old.GetFinalizers()) == 0 {
		s.record(old, old.DeepCopy(), true)
		return old, nil
	}
	if old.GetDeletionTimestamp() != nil {
		return old, nil
	}
	obj := old.DeepCopy()
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	obj.SetDeletionTimestamp(&now)
	obj.SetDeletionGracePeriodSeconds(new(int64(0)))
	s.record(old, obj, false)
	return obj.DeepCopy(), nil
}

// record gives the object its new resource version and tells the watches. s.mu is held.
func (s *store) record(before, after *unstructured.Unstructured, deleted bool) {
	s.revision++
	after.SetResourceVersion(strconv.FormatInt(s.revision, 10))
	if k := key(after.GetNamespace(), after.GetName()); deleted {
		delete(s.objects, k)
	} else {
		s.objects[k] = after
	}
	s.history = append(s.history, change{s.revision, before, after.DeepCopy(), deleted})
	close(s.changed)
	s.changed = make(chan struct{})
}

// since returns what happened after the revision, and a channel that closes at the next change.
func (s *store) since(revision int64) ([]change, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := len(s.history)
	for first > 0 && s.history[first-1].revision > revision {
		first--
	}
	return slices.Clone(s.history[first:]), s.changed
}

// event is how a watch with this selector sees the change: an object that comes to match is
// added, one that ceases to match is deleted. ok is false when the watch sees nothing.
func (c change) event(namespace string, selector labels.Selector) (t watch.EventType, obj *unstructured.Unstructured, ok bool) {
	was := c.before != nil && matches(c.before, namespace, selector)
	is := !c.deleted && matches(c.after, namespace, selector)
	switch {
	case is && was:
		return watch.Modified, c.after, true
	case is:
		return watch.Added, c.after, true
	case was:
		return watch.Deleted, c.after, true
	}
	return "", nil, false
}
