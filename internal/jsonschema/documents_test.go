package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
	"github.com/backbeat-go/backbeat/task"
)

var update = flag.Bool("update", false, "write the documents in testdata")

type (
	level string
	names []string
	sizes map[string]uint16

	address struct {
		Street string `json:"street" minLength:"1"`
		City   string `json:"city,omitempty"`
	}
	base struct {
		ID string `json:"id" format:"uuid" doc:"Names it."`
	}
	tree struct {
		Name  string           `json:"name" pattern:"^[a-z]+$" patternDescription:"small letters"`
		Left  *tree            `json:"left,omitempty"`
		Below []tree           `json:"below"`
		More  map[string]*tree `json:"more,omitempty"`
	}
	loop struct {
		Next *loop `json:"next,omitempty"`
	}
)

type kinds struct {
	Bool       bool               `json:"bool"`
	Int        int                `json:"int"`
	Int8       int8               `json:"int8"`
	Uint       uint               `json:"uint"`
	Float      float64            `json:"float"`
	String     string             `json:"string"`
	Bytes      []byte             `json:"bytes"`
	List       []int              `json:"list"`
	Array      [3]float32         `json:"array"`
	Lists      [][]string         `json:"lists"`
	Map        map[string]int     `json:"map"`
	IntMap     map[int]string     `json:"int_map"`
	Any        any                `json:"any"`
	Anys       []any              `json:"anys"`
	Object     map[string]any     `json:"object"`
	Raw        json.RawMessage    `json:"raw"`
	RawPointer *json.RawMessage   `json:"raw_pointer"`
	Number     json.Number        `json:"number"`
	Time       time.Time          `json:"time"`
	Times      []time.Time        `json:"times"`
	Nanos      time.Duration      `json:"nanos"`
	Duration   task.Duration      `json:"duration"`
	Addr       netip.Addr         `json:"addr"`
	Addrs      []netip.Addr       `json:"addrs"`
	UUID       uuid.UUID          `json:"uuid"`
	Level      level              `json:"level"`
	Levels     map[level]level    `json:"levels"`
	Names      names              `json:"names"`
	Sizes      sizes              `json:"sizes"`
	Address    address            `json:"address"`
	Addresses  []address          `json:"addresses"`
	ByName     map[string]address `json:"by_name"`
	Empty      struct{}           `json:"empty"`
	Inline     struct {
		A int `json:"a"`
	} `json:"inline"`
	PInt      *int               `json:"p_int"`
	PString   *string            `json:"p_string,omitempty"`
	PTime     *time.Time         `json:"p_time"`
	PAddress  *address           `json:"p_address"`
	PDuration *task.Duration     `json:"p_duration,omitempty"`
	PNames    *names             `json:"p_names"`
	PList     *[]string          `json:"p_list"`
	Pointers  []*int             `json:"pointers"`
	PStructs  []*address         `json:"p_structs"`
	PValues   map[string]*string `json:"p_values,omitempty"`
	List2     []string           `json:"list2,omitempty"`
	Map2      map[string]bool    `json:"map2,omitzero"`
	Tree      tree               `json:"tree"`
	Untagged  string
	hidden    string //nolint:unused // it is not to be in the document
	Skipped   string `json:"-"`
	Dash      string `json:"-,"` //nolint:staticcheck // its name is "-"
}

type tags struct {
	base
	*address
	Kind     string            `json:"kind" enum:"a,b" default:"a" example:"b" doc:"Which it is."`
	Port     int               `json:"port" minimum:"1" maximum:"65535" default:"80" example:"8080"`
	Count    uint              `json:"count" minimum:"2" multipleOf:"2"`
	Ratio    float64           `json:"ratio" exclusiveMinimum:"0" exclusiveMaximum:"1" default:"0.5"`
	Flag     bool              `json:"flag,omitempty" default:"true"`
	Code     string            `json:"code" minLength:"2" maxLength:"5" pattern:"^[A-Z]+$" patternDescription:"capitals"`
	Link     string            `json:"link,omitempty" format:"uri"`
	Blob     string            `json:"blob" format:"base64"`
	Links    []string          `json:"links" format:"uri" minItems:"1" maxItems:"9" uniqueItems:"true" maxLength:"99" default:"[\"a\"]" example:"[\"b\"]"`
	Words    []string          `json:"words,omitempty" enum:"x,y" default:"[x,y]"`
	Grid     [][]int           `json:"grid" minimum:"0" maxItems:"2"`
	Step     int               `json:"step" enum:"[1,2,3]"`
	Header   map[string]string `json:"header" minProperties:"1" maxProperties:"3" default:"{\"a\":\"b\"}" example:"{\"c\":\"d\"}"`
	Maybe    string            `json:"maybe" nullable:"true"`
	MaybeInt int               `json:"maybe_int,omitempty" nullable:"true" minimum:"1"`
	NotNil   []string          `json:"not_nil" nullable:"false"`
	PNotNil  *int              `json:"p_not_nil" nullable:"false"`
	PMin     *int              `json:"p_min,omitempty" minimum:"3" default:"4"`
	Wait     task.Duration     `json:"wait,omitempty" default:"30s" example:"1m" doc:"How long."`
	PWait    *task.Duration    `json:"p_wait,omitempty" doc:"How long at most."`
	At       time.Time         `json:"at" example:"2026-01-01T00:00:00Z"`
	Where    address           `json:"where" doc:"Where it is." example:"{\"street\":\"s\"}"`
	PWhere   *address          `json:"p_where,omitempty" doc:"Where it was."`
	Level    level             `json:"level" enum:"low,high" default:"low"`
	Raw      json.RawMessage   `json:"raw,omitempty" doc:"Anything." example:"{\"a\": 1}"`
}

// Programs know a version of a type by the hash of its documents, so a document must not change without a reason.
func TestDocumentsOfTypes(t *testing.T) {
	for name, of := range map[string]reflect.Type{
		"kinds": reflect.TypeFor[kinds](), "tags": reflect.TypeFor[tags](), "tree": reflect.TypeFor[tree](), "loop": reflect.TypeFor[loop](),
		"string": reflect.TypeFor[string](), "list": reflect.TypeFor[[]address](), "map": reflect.TypeFor[map[string]int](),
		"names": reflect.TypeFor[names](), "time": reflect.TypeFor[time.Time](), "duration": reflect.TypeFor[task.Duration](),
		"any": reflect.TypeFor[any](), "raw": reflect.TypeFor[json.RawMessage](), "pointer": reflect.TypeFor[*address](), "empty": reflect.TypeFor[struct{}](),
		"generic": reflect.TypeFor[pair[pair[map[string][]int]]](),
	} {
		s, err := jsonschema.For(of)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got bytes.Buffer
		if err := json.Indent(&got, s.JSON(), "", "  "); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, append(got.Bytes(), '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()+"\n"); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// encoding/json writes nil as null, and bytes as base64 whatever their type is called.
func TestNilFitsTheSchemaOfItsType(t *testing.T) {
	type blob []byte
	type zero struct {
		Names  names
		Sizes  sizes
		Blob   blob
		Struct *address
		Any    *any
		Span   *task.Duration
		Nested []names
	}
	s, err := jsonschema.For(reflect.TypeFor[zero]())
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []zero{{Blob: blob{}}, {Blob: blob("x"), Nested: []names{nil, {"a"}}}} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if got := violations(t, s, string(data)); got != nil {
			t.Errorf("%s does not fit: %v\n%s", data, got, s.JSON())
		}
	}
}

// A field hides the field of the same name in an embedded struct.
func TestHiddenFields(t *testing.T) {
	type Inner struct {
		A int    `json:"a"`
		B string `json:"b"`
	}
	type outer struct {
		Inner
		A string `json:"a,omitempty"`
	}
	s, err := jsonschema.For(reflect.TypeFor[outer]())
	if err != nil {
		t.Fatal(err)
	}
	if got := violations(t, s, `{"a": "text", "b": ""}`); got != nil {
		t.Errorf("%v\n%s", got, s.JSON())
	}
	if diff := cmp.Diff([]string{"b: is required"}, violations(t, s, `{}`)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
