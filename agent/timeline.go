package agent

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

const (
	defaultLines = 100
	maxLines     = 1000
	linesPerPart = 100     // one message of the stream stays far below gRPC's 4 MiB
	maxLine      = 8 << 10 // bytes
)

// page is a part of a timeline, and the token to go on from; empty when nothing more will come.
type page struct {
	lines []*admin.LogLine
	next  string
}

// GetTaskLogs implements flyteidl's AsyncAgentService: it streams the watch's timeline (when it
// was registered, phases seen, rules fired, attempts, receipts), and first of all a token to go
// on from. The token is empty when nothing more will come. Errors: InvalidArgument for a bad
// resource_meta or token, NotFound for a watch the store does not know, Unavailable.
func (s *Service) GetTaskLogs(r *admin.GetTaskLogsRequest, stream service.AsyncAgentService_GetTaskLogsServer) error {
	ctx, cancel := answerBy(stream.Context())
	defer cancel()
	p, err := s.page(ctx, r)
	if err != nil {
		return err
	}
	header := &admin.GetTaskLogsResponseHeader{Token: p.next}
	if err := stream.Send(&admin.GetTaskLogsResponse{Part: &admin.GetTaskLogsResponse_Header{Header: header}}); err != nil {
		return err
	}
	for part := range slices.Chunk(p.lines, linesPerPart) {
		if err := stream.Send(&admin.GetTaskLogsResponse{Part: &admin.GetTaskLogsResponse_Body{Body: body(part)}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) page(ctx context.Context, r *admin.GetTaskLogsRequest) (page, error) {
	m, err := decodeMeta(r.GetResourceMeta())
	if err != nil {
		return page{}, status.Error(codes.InvalidArgument, err.Error())
	}
	from, err := position(r.GetToken())
	switch {
	case err != nil:
		return page{}, err
	case m.Rejected != "":
		return page{lines: []*admin.LogLine{line(time.Now(), m.Rejected)}}, nil
	}
	// The state is read before the lines: one that says the end has no lines after them.
	w, all, err := s.known(ctx, m)
	if err != nil {
		return page{}, err
	}
	limit := clampLines(r.GetLines())
	p, err := s.timeline(ctx, w.ID, from, limit)
	if err == nil && len(p.lines) < limit && w.State != store.Active && len(unsettled(all)) == 0 {
		p.next = ""
	}
	return p, err
}

// known reads a watch and its deliveries for the calls that may fail.
func (s *Service) known(ctx context.Context, m meta) (store.Watch, []store.Delivery, error) {
	w, all, err := s.look(ctx, m.Watch, always)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return w, nil, status.Errorf(codes.NotFound, "watch %s: not found", m.Watch)
	case err != nil:
		return w, nil, unavailable("read the watch", err)
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
		return 0, status.Errorf(codes.InvalidArgument, "token: %q is not of this agent", cut(token, maxName))
	}
	return seq, nil
}

func clampLines(n uint64) int {
	if n == 0 {
		return defaultLines
	}
	return int(min(n, maxLines))
}

// timeline reads lines after a position; the token is the last one's.
func (s *Service) timeline(ctx context.Context, watch string, from int64, limit int) (page, error) {
	events, err := s.Store.Events(ctx, watch, from, limit)
	if err != nil {
		return page{}, unavailable("read the timeline", err)
	}
	var p page
	for _, e := range events {
		p.lines, from = append(p.lines, line(e.At, e.Kind+" "+e.Text)), e.Seq
	}
	p.next = strconv.FormatInt(from, 10)
	return p, nil
}

func line(at time.Time, text string) *admin.LogLine {
	return &admin.LogLine{
		Timestamp: timestamppb.New(at), Message: cut(notifier.Printable(text), maxLine) + "\n",
		Originator: admin.LogLineOriginator_SYSTEM,
	}
}

// body fills the old field too: callers older than structured_lines read only that.
func body(lines []*admin.LogLine) *admin.GetTaskLogsResponseBody {
	b := &admin.GetTaskLogsResponseBody{StructuredLines: lines}
	for _, l := range lines {
		b.Results = append(b.Results, l.GetTimestamp().AsTime().Format(time.RFC3339Nano)+" "+l.GetMessage())
	}
	return b
}
