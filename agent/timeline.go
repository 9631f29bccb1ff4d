package agent

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	defaultLines = 100
	maxLines     = 1000
)

// GetTaskLogs implements flyteidl's AsyncAgentService: it streams the watch's timeline (when it
// was registered, phases seen, rules fired, attempts, receipts), and first of all a token to go
// on from. The token is empty when nothing more will come. Errors: InvalidArgument for a bad
// resource_meta or token, NotFound for a watch the store does not know, Unavailable.
func (s *Service) GetTaskLogs(r *admin.GetTaskLogsRequest, stream service.AsyncAgentService_GetTaskLogsServer) error {
	ctx := stream.Context()
	m, err := decodeMeta(r.GetResourceMeta())
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if m.Rejected != "" {
		return stream.Send(body([]*admin.LogLine{line(time.Now(), m.Rejected)}))
	}
	from, err := position(r.GetToken())
	if err != nil {
		return err
	}
	w, all, err := s.watched(ctx, m)
	if err != nil {
		return err
	}
	lines, next, err := s.timeline(ctx, w.ID, from, clampLines(r.GetLines()))
	if err != nil {
		return unavailable("read the timeline", err)
	}
	if w.State != store.Active && len(unsettled(all)) == 0 && len(lines) < clampLines(r.GetLines()) {
		next = ""
	}
	header := &admin.GetTaskLogsResponseHeader{Token: next}
	if err := stream.Send(&admin.GetTaskLogsResponse{Part: &admin.GetTaskLogsResponse_Header{Header: header}}); err != nil {
		return err
	}
	return stream.Send(body(lines))
}

// watched reads a watch and its deliveries for the calls that may fail.
func (s *Service) watched(ctx context.Context, m meta) (store.Watch, []store.Delivery, error) {
	w, err := s.Store.Watch(ctx, m.Watch)
	if errors.Is(err, store.ErrNotFound) {
		return w, nil, status.Errorf(codes.NotFound, "watch %s: not found", m.Watch)
	}
	if err != nil {
		return w, nil, unavailable("read the watch", err)
	}
	all, err := s.Store.WatchDeliveries(ctx, w.ID)
	if err != nil {
		return w, nil, unavailable("read the deliveries", err)
	}
	return w, all, nil
}

// position is where a token goes on from; without one it is the start.
func position(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(token, 10, 64)
	if err != nil || seq < 0 {
		return 0, status.Errorf(codes.InvalidArgument, "token %q: not of this agent", cut(clean(token), 100))
	}
	return seq, nil
}

func clampLines(n uint64) int {
	if n == 0 {
		return defaultLines
	}
	return int(min(n, maxLines))
}

// timeline reads lines after a position, and returns the position after the last.
func (s *Service) timeline(ctx context.Context, watch string, from int64, limit int) ([]*admin.LogLine, string, error) {
	events, err := s.Store.Events(ctx, watch, from, limit)
	if err != nil {
		return nil, "", err
	}
	var lines []*admin.LogLine
	for _, e := range events {
		lines, from = append(lines, line(e.At, e.Kind+" "+e.Text)), e.Seq
	}
	return lines, strconv.FormatInt(from, 10), nil
}

func line(at time.Time, text string) *admin.LogLine {
	return &admin.LogLine{Timestamp: timestamppb.New(at), Message: clean(text) + "\n", Originator: admin.LogLineOriginator_SYSTEM}
}

// body fills the old field too: callers older than structured_lines read only that.
func body(lines []*admin.LogLine) *admin.GetTaskLogsResponse {
	b := &admin.GetTaskLogsResponseBody{StructuredLines: lines}
	for _, l := range lines {
		b.Results = append(b.Results, l.GetTimestamp().AsTime().Format(time.RFC3339Nano)+" "+l.GetMessage())
	}
	return &admin.GetTaskLogsResponse{Part: &admin.GetTaskLogsResponse_Body{Body: b}}
}
