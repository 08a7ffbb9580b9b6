package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeysThatComeTwice(t *testing.T) {
	base, _ := serveBroker(t)
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf(`"k%d":{"a":1}`, i))
	}
	large := strings.Join(many, ",")
	for body, want := range map[string]int{
		`{"type":"echo","payload":{` + large + `}}`:                                       202,
		`{"type":"echo","payload":{` + large + `,"k0":1}}`:                                400,
		`{"type":"echo","payload":{` + large + `,"k999":1}}`:                              400,
		`{"type":"echo","payload":{"x":{` + large + `},"y":{` + large + `}}}`:             202,
		`{"type":"echo","payload":{"x":{` + large + `},"x":1}}`:                           400,
		`{"type":"echo","payload":{"\u00e4":1,"ä":2}}`:                                    400,
		`{"type":"echo","payload":{"a":"b","b":"a","c":["a","a",{"a":1},{"a":1}]}}`:       202,
		`{"type":"echo","payload":{"a\"":1,"a":2,"a\\":3,"":4}}`:                          202,
		`{"type":"echo","payload":{"":1,"":2}}`:                                           400,
		`{"type":"echo","payload":{"A":1,"a":2}}`:                                         202,
		`{ "type" : "echo" , "payload" : { "a" : [ ] , "b" : { } , "a" : 1 } }`:           400,
		`{"type":"echo","metadata":{"a":"1","b":"2","a":"3"}}`:                            400,
		`{"type":"echo","payload":{"a":"{\"b\":1,\"b\":2}"}}`:                             202,
		`{"type":"echo","payload":{"a":[{"b":1},[{"b":1,"c":[{"d":1}],"b":[{"d":1}]}]]}}`: 400,
	} {
		got := ask(t, "POST", base+"/v1/tasks", body)
		if got.status != want {
			t.Errorf("%.100s: %d, want %d: %s", body, got.status, want, got.body)
		}
	}
	for call, body := range map[string]string{
		"POST /v1/tasks/batch":       `{"tasks":[{"type":"echo"}],"tasks":[]}`,
		"POST /v1/tasks/bulk":        `{"action":"cancel","action":"delete","filter":{"queue":"low"}}`,
		"PUT /v1/schedules/x":        `{"every":"1m","every":"2m","task":{"type":"echo"}}`,
		"PATCH /v1/schedules/x":      `{"paused":true,"paused":false}`,
		"POST /v1/schedules/preview": `{"every":"1m","every":"2m"}`,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := ask(t, method, base+path, body); got.status != 400 || !strings.Contains(got.body, "twice") {
			t.Errorf("%s: %d %s", call, got.status, got.body)
		}
	}
}
