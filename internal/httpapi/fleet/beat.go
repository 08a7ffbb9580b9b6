package fleet

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

type beatDocument struct {
	Leader    *leaderDocument   `json:"leader" doc:"Null while there is none. A leader that has died is shown until its lease ends."`
	Standbys  []standbyDocument `json:"standbys" nullable:"false" doc:"The processes that can become the leader."`
	Schedules int               `json:"schedules" doc:"The number of schedules."`
	NextRunAt rest.Timestamp    `json:"next_run_at" doc:"When the next schedule is due; null if none is."`
}

type standbyDocument struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

type leaderDocument struct {
	ID    string         `json:"id"`
	Host  string         `json:"host"`
	PID   int            `json:"pid"`
	Since rest.Timestamp `json:"since" doc:"When it became the leader."`
	Term  int64          `json:"term" doc:"Grows with each new leader."`
}

// TransformSchema marks the fields that can be null, for which there is no struct tag.
func (beatDocument) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	leader := s.Properties["leader"]
	s.Properties["leader"] = &huma.Schema{
		Description: leader.Description,
		AnyOf:       []*huma.Schema{{Ref: leader.Ref}, {Type: "null"}},
	}
	return s
}

type beatAnswer struct {
	Body beatDocument
}

func (a *API) beatRoutes() []rest.Route {
	return []rest.Route{rest.Handle(rest.Route{Scope: auth.SchedulesRead, StoreTime: rest.StoreTime, Operation: huma.Operation{
		OperationID: "get-beat", Method: http.MethodGet, Path: "/v1/beat", Tags: []string{"Schedules"},
		Summary: "Get the leader of the beat", Description: "One process leads and fires schedules; the others stand by.",
	}}, a.getBeat)}
}

func (a *API) getBeat(ctx context.Context, _ *struct{}) (*beatAnswer, error) {
	leader, standbys, err := a.Beats.Leadership(ctx)
	if err != nil {
		return nil, err
	}
	n, next, err := a.Schedules.Count(ctx)
	if err != nil {
		return nil, err
	}
	doc := beatDocument{Standbys: make([]standbyDocument, len(standbys)), Schedules: n, NextRunAt: rest.Timestamp(next)}
	if leader != nil {
		doc.Leader = &leaderDocument{leader.ID, leader.Host, leader.PID, rest.Timestamp(leader.Since), leader.Term}
	}
	for i, s := range standbys {
		doc.Standbys[i] = standbyDocument{s.ID, s.Host, s.PID}
	}
	return &beatAnswer{doc}, nil
}
