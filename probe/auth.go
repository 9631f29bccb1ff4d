package probe

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Page is a page for operators below a path of its own.
type Page struct {
	Path    string // "/river"
	Handler http.Handler
}

// Guarded lets those in who sign in as the user, by HTTP's basic authentication. The password is
// asked for at every request, so that a rotated one counts at once; while it cannot be read nobody
// gets in. A page of another site cannot use the browser of somebody who has signed in.
func Guarded(user string, password func() (string, error), h http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := password()
		if err != nil || want == "" {
			http.Error(w, "the password cannot be read", http.StatusServiceUnavailable)
			return
		}
		gotUser, got, _ := r.BasicAuth()
		if !equal(gotUser, user) || !equal(got, want) {
			w.Header().Set("WWW-Authenticate", `Basic realm="flyte-notifier", charset="UTF-8"`)
			http.Error(w, "sign in", http.StatusUnauthorized)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// equal compares in a time that tells nothing, not even the length.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
