package kubesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The resources that the API serves.
var (
	FlyteWorkflows = Resource{
		schema.GroupVersionResource{Group: "flyte.lyft.com", Version: "v1alpha1", Resource: "flyteworkflows"},
		"flyteworkflow", "FlyteWorkflowList",
	}
	PodTemplates = Resource{
		schema.GroupVersionResource{Version: "v1", Resource: "podtemplates"},
		"PodTemplate", "PodTemplateList",
	}
)

// Server is the API on a loopback port.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Start serves an empty API on a free loopback port until Close.
func Start() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Kubernetes API: %w", err)
	}
	s := &Server{http: &http.Server{Handler: handler(), ReadHeaderTimeout: time.Minute}, listener: l}
	go func() { _ = s.http.Serve(l) }() // it returns ErrServerClosed at Close, and nothing else can be done about others
	return s, nil
}

// URL is the API's base, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends the API and every watch at once.
func (s *Server) Close() error {
	if err := s.http.Close(); err != nil {
		return fmt.Errorf("close the Kubernetes API: %w", err)
	}
	return nil
}

// handler serves both resources. What it does not serve is NotFound, as on a server without it.
func handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range []Resource{FlyteWorkflows, PodTemplates} {
		base := "/apis/" + r.Group + "/" + r.Version
		if r.Group == "" {
			base = "/api/" + r.Version
		}
		a := &api{store: newStore(r)}
		object := base + "/namespaces/{namespace}/" + r.GroupVersionResource.Resource + "/{name}"
		mux.HandleFunc("GET "+base+"/"+r.GroupVersionResource.Resource, a.list)
		mux.HandleFunc("GET "+base+"/namespaces/{namespace}/"+r.GroupVersionResource.Resource, a.list)
		mux.HandleFunc("POST "+base+"/namespaces/{namespace}/"+r.GroupVersionResource.Resource, a.create)
		mux.HandleFunc("GET "+object, a.get)
		mux.HandleFunc("PUT "+object, a.update)
		mux.HandleFunc("PUT "+object+"/status", a.update)
		mux.HandleFunc("DELETE "+object, a.remove)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, nil, apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path))
	})
	return mux
}

// api is the HTTP face of one resource.
type api struct{ store *store }

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	obj, err := a.store.get(r.PathValue("namespace"), r.PathValue("name"))
	reply(w, obj, err)
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	obj, err := decode(r)
	if err == nil {
		obj, err = a.store.create(obj)
	}
	reply(w, obj, err)
}

func (a *api) update(w http.ResponseWriter, r *http.Request) {
	obj, err := decode(r)
	if err == nil {
		obj, err = a.store.update(obj)
	}
	reply(w, obj, err)
}

func (a *api) remove(w http.ResponseWriter, r *http.Request) {
	obj, err := a.store.remove(r.PathValue("namespace"), r.PathValue("name"))
	reply(w, obj, err)
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	selector, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		reply(w, nil, apierrors.NewBadRequest(err.Error()))
		return
	}
	if query.Get("watch") == "true" || query.Get("watch") == "1" {
		a.watch(w, r, selector)
		return
	}
	items, revision := a.store.list(r.PathValue("namespace"), selector)
	list := &unstructured.UnstructuredList{Items: items}
	list.SetGroupVersionKind(a.store.resource.GroupVersion().WithKind(a.store.resource.ListKind))
	list.SetResourceVersion(strconv.FormatInt(revision, 10))
	reply(w, list, nil)
}

func decode(r *http.Request) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	if err := json.NewDecoder(r.Body).Decode(&obj.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	obj.SetNamespace(r.PathValue("namespace"))
	return obj, nil
}

// reply writes the object, or the error as the Status object that clients turn back into it.
func reply(w http.ResponseWriter, obj any, err error) {
	code := http.StatusOK
	if err != nil {
		status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error()}
		if e, ok := errors.AsType[*apierrors.StatusError](err); ok {
			status = e.Status()
		}
		status.Kind, status.APIVersion = "Status", "v1"
		obj, code = status, int(status.Code)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(obj) // a client that went away reads nothing
}
