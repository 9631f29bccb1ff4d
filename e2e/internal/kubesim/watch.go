package kubesim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
)

// watch streams what happens after the given resource version until the client leaves or its
// time is over. Streaming lists are refused, which makes clients list first.
func (a *api) watch(w http.ResponseWriter, r *http.Request, selector labels.Selector) {
	query := r.URL.Query()
	if query.Get("sendInitialEvents") == "true" {
		reply(w, nil, apierrors.NewInvalid(a.store.resource.GroupVersion().WithKind("ListOptions").GroupKind(), "", nil))
		return
	}
	revision, err := strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
	if err != nil {
		reply(w, nil, apierrors.NewBadRequest("resourceVersion: "+err.Error()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // the client waits for the header
	over := time.After(lifetime(query.Get("timeoutSeconds")))
	for {
		changes, changed := a.store.since(revision)
		if !a.send(w, changes, r.PathValue("namespace"), selector) {
			return
		}
		if n := len(changes); n > 0 {
			revision = changes[n-1].revision
		}
		select {
		case <-changed:
		case <-over:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func lifetime(seconds string) time.Duration {
	if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 5 * time.Minute
}

// send writes the changes that the watch sees and says whether the client still listens.
func (a *api) send(w http.ResponseWriter, changes []change, namespace string, selector labels.Selector) bool {
	for _, c := range changes {
		t, obj, ok := c.event(namespace, selector)
		if !ok {
			continue
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"type": t, "object": obj.Object}); err != nil {
			return false
		}
	}
	return http.NewResponseController(w).Flush() == nil
}
