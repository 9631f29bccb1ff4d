package slacksim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Upload is what Sim.Fail calls the request that brings a file's bytes, which is no method of the API.
const Upload = "upload"

// uploadPath begins the path of that request.
const uploadPath = "/upload/v1/"

// File is one that was uploaded.
type File struct {
	ID       string
	Name     string
	Title    string
	Content  string
	Channel  string // where it was shared; empty: nowhere yet
	ThreadTS string

	length int
}

// Files returns the files that were shared, oldest first.
func (s *Sim) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var shared []File
	for _, f := range s.files {
		if f.Channel != "" {
			shared = append(shared, f)
		}
	}
	return shared
}

func (s *Sim) getUploadURL(c call) object {
	if refused := c.may("files:write"); refused != nil {
		return refused
	}
	length, err := strconv.Atoi(c.args["length"])
	if err != nil || length <= 0 || c.args["filename"] == "" {
		return fail("invalid_arguments")
	}
	f := File{ID: fmt.Sprintf("F%09d", len(s.files)+1), Name: c.args["filename"], length: length}
	s.files = append(s.files, f)
	return object{"ok": true, "file_id": f.ID, "upload_url": "http://" + s.addr + uploadPath + f.ID}
}

// takeFile answers the request that brings a file's bytes, as a form.
func (s *Sim) takeFile(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, uploadPath)
	part, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, "no file", http.StatusBadRequest)
		return
	}
	raw, err := io.ReadAll(part)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.files, func(f File) bool { return f.ID == id })
	if err != nil || i < 0 || len(raw) != s.files[i].length {
		http.Error(w, "not the file that was announced", http.StatusBadRequest)
		return
	}
	s.files[i].Content = string(raw)
	_, _ = fmt.Fprintf(w, "OK - %d", len(raw)) // the caller may be gone
}

func (s *Sim) completeUpload(c call) object {
	if refused := c.may("files:write"); refused != nil {
		return refused
	}
	var named []struct{ ID, Title string }
	if json.Unmarshal([]byte(c.args["files"]), &named) != nil || len(named) == 0 {
		return fail("invalid_arguments")
	}
	channel := s.find(c.args["channel_id"])
	if channel == nil || channel.NotMember || !channel.visible() {
		return fail("channel_not_found")
	}
	var shared []object
	for _, one := range named {
		i := slices.IndexFunc(s.files, func(f File) bool { return f.ID == one.ID })
		if i < 0 || s.files[i].Content == "" || s.files[i].Channel != "" {
			return fail("file_not_found")
		}
		f := &s.files[i]
		f.Title, f.Channel, f.ThreadTS = one.Title, channel.ID, c.args["thread_ts"]
		shared = append(shared, object{"id": f.ID, "title": f.Title})
	}
	s.stir()
	return object{"ok": true, "files": shared}
}
