package task_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

// TestTagsAreEnforced covers all struct tags that restrict values.
func TestTagsAreEnforced(t *testing.T) {
	type inner struct {
		Link string `json:"link,omitempty" format:"uri"`
	}
	type in struct {
		URI       string            `json:"uri,omitempty" format:"uri"`
		Null      *string           `json:"null,omitempty" format:"uri" nullable:"true"`
		Pattern   string            `json:"pattern,omitempty" format:"uri" pattern:"^https:"`
		IRI       string            `json:"iri,omitempty" format:"iri"`
		Reference string            `json:"reference,omitempty" format:"uri-reference"`
		List      []string          `json:"list,omitempty" format:"uri" maxItems:"2" uniqueItems:"true"`
		Inner     []inner           `json:"inner,omitempty"`
		Map       map[string]*inner `json:"map,omitempty"`
		Mail      string            `json:"mail,omitempty" format:"email"`
		UUID      string            `json:"uuid,omitempty" format:"uuid"`
		Host      string            `json:"host,omitempty" format:"hostname"`
		IPv4      string            `json:"ipv4,omitempty" format:"ipv4"`
		IPv6      string            `json:"ipv6,omitempty" format:"ipv6"`
		Date      string            `json:"date,omitempty" format:"date"`
		DateTime  string            `json:"date_time,omitempty" format:"date-time"`
		Time      string            `json:"time,omitempty" format:"time"`
		Regex     string            `json:"regex,omitempty" format:"regex"`
		Pointer   string            `json:"pointer,omitempty" format:"json-pointer"`
		Enum      string            `json:"enum,omitempty" enum:"a,b"`
		Length    string            `json:"length,omitempty" minLength:"2" maxLength:"3"`
		Number    float64           `json:"number,omitempty" exclusiveMinimum:"0" exclusiveMaximum:"10" multipleOf:"0.5"`
		Count     int               `json:"count,omitempty" minimum:"1" maximum:"5"`
		Few       map[string]int    `json:"few,omitempty" minProperties:"1" maxProperties:"2"`
		Bytes     []byte            `json:"bytes,omitempty"`
	}
	def := task.Define[in, task.None]("test.tags")
	if strings.Contains(string(def.PayloadSchema()), "A-Za-z") {
		t.Errorf("the schema contains the patterns of formats: %s", def.PayloadSchema())
	}
	for field, values := range map[string]struct{ good, bad []string }{
		"uri": {
			[]string{`"https://example.com/a?b=c#d"`, `"mailto:a@b.example"`, `"urn:isbn:1"`},
			[]string{`"hello"`, `"not a uri"`, `"example.com/x"`, `"/x"`, `""`, `"https://a b"`, `"1a:b"`, `"https://a/%zz"`, `1`, `"a:\u0000"`},
		},
		"null":      {[]string{`null`, `"a:b"`}, []string{`"hello"`}},
		"pattern":   {[]string{`"https://a"`}, []string{`"http://a"`, `"https:a b"`}},
		"iri":       {[]string{`"https://exämple.com/ü"`}, []string{`"hello"`}},
		"reference": {[]string{`"/a?b"`, `"a"`, `""`}, []string{`"a b"`}},
		"list":      {[]string{`[]`, `["a:b","a:c"]`}, []string{`["a:b","hello"]`, `["a:1","a:2","a:3"]`, `["a:1","a:1"]`}},
		"inner":     {[]string{`[{"link":"a:b"}]`}, []string{`[{"link":"hello"}]`}},
		"map":       {[]string{`{"x":{"link":"a:b"}}`}, []string{`{"x":{"link":"hello"}}`}},
		"mail":      {[]string{`"a@b.example"`}, []string{`"a"`, `"Bob <a@b.example>"`, `"a@"`}},
		"uuid":      {[]string{`"019aa5f0-7c2e-7d3b-9f65-0f2b7b7a4a10"`}, []string{`"x"`}},
		"host":      {[]string{`"a.example"`}, []string{`"a_b c"`}},
		"ipv4":      {[]string{`"192.0.2.1"`}, []string{`"::1"`, `"192.0.2"`}},
		"ipv6":      {[]string{`"::1"`}, []string{`"192.0.2.1"`}},
		"date":      {[]string{`"2026-02-28"`}, []string{`"2026-02-30"`}},
		"date_time": {[]string{`"2026-02-28T10:00:00Z"`}, []string{`"2026-02-28"`}},
		"time":      {[]string{`"10:00:00Z"`}, []string{`"25:00:00"`}},
		"regex":     {[]string{`"a+"`}, []string{`"("`}},
		"pointer":   {[]string{`"/a/b"`}, []string{`"a"`}},
		"enum":      {[]string{`"a"`}, []string{`"c"`}},
		"length":    {[]string{`"äö"`}, []string{`"a"`, `"abcd"`}},
		"number":    {[]string{`0.5`}, []string{`0`, `10`, `0.7`}},
		"count":     {[]string{`5`}, []string{`0`, `6`, `1.5`}},
		"few":       {[]string{`{"a":1}`}, []string{`{}`, `{"a":1,"b":2,"c":3}`}},
		"bytes":     {[]string{`"aGk="`}, []string{`"%%"`}},
	} {
		check := func(value string, want bool) {
			faults := def.Validate(json.RawMessage(`{"` + field + `":` + value + `}`))
			if (len(faults) == 0) != want {
				t.Errorf("%s: %s: %v", field, value, faults)
			}
			for _, f := range faults {
				if !strings.HasPrefix(f.Location, "payload."+field) {
					t.Errorf("%s: %s: the location is %s", field, value, f.Location)
				}
			}
		}
		for _, value := range values.good {
			check(value, true)
		}
		for _, value := range values.bad {
			check(value, false)
		}
	}
}
