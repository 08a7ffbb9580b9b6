package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	Key     string // as in the file: api.addr
	Source  string // where it was set: a file, BACKBEAT_API_ADDR, --api-addr; empty for what follows from several
	Message string
}

// Error holds every fault of a configuration.
type Error struct {
	Faults []Fault
}

// Error gives a line for each fault.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration has faults:")
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n  %s: %s", f.Key, f.Message)
		if f.Source != "" {
			fmt.Fprintf(&b, " (from %s)", f.Source)
		}
	}
	return b.String()
}

// Check finds faults in the configuration of a program.
type Check func(Program, *Config) []Fault

// What a user may ask for instead of a run.
var (
	ErrHelp    = errors.New("help requested")
	ErrVersion = errors.New("version requested")
)

// value is what a source says about a key.
type value struct {
	text   string
	source string
}

// newValue drops the line ends after a text: a secret that comes from a file often has one.
func newValue(text, source string) value {
	return value{strings.TrimRight(text, "\r\n"), source}
}

// Load reads the configuration of a program from its arguments, without the program's name, and its environment,
// in the form of os.Environ. It returns ErrHelp or ErrVersion if that was asked for, and an *Error with every
// fault otherwise. The checks add what only others can find; settings at fault have their defaults there.
func Load(p Program, args, environ []string, checks ...Check) (*Config, error) {
	l := &loader{program: p, values: make(map[string]value), checks: append([]Check{check}, checks...)}
	flags := newFlags(p)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, ErrHelp
		}
		l.fault("flags", "", "%v; --help lists them", err)
	}
	if asked, _ := flags.GetBool("version"); asked {
		return nil, ErrVersion
	}
	for _, arg := range flags.Args() {
		l.fault("flags", "", "argument %q is not understood; --help tells what is", arg)
	}
	env := l.readEnviron(environ)
	file, _ := flags.GetString("config")
	if file == "" {
		file = env["BACKBEAT_CONFIG"]
	}
	if file != "" {
		l.readFile(file)
	}
	l.take(env)
	l.takeFlags(flags)
	return l.finish()
}

type loader struct {
	program   Program
	values    map[string]value
	schedules []Schedule
	faults    []Fault
	checks    []Check
}

func (l *loader) fault(key, source, format string, args ...any) {
	l.faults = append(l.faults, Fault{key, source, fmt.Sprintf(format, args...)})
}

func newFlags(p Program) *pflag.FlagSet {
	flags := pflag.NewFlagSet(string(p), pflag.ContinueOnError)
	flags.Usage = func() {} // Usage writes it
	flags.SortFlags = false
	flags.String("config", "", "read this YAML file")
	flags.Bool("version", false, "print the version")
	for _, s := range settings {
		if s.secret || !s.concerns(p) {
			continue
		}
		flags.String(s.flag(), "", s.usage)
		if s.get(Default(p)) == "true" || s.get(Default(p)) == "false" {
			flags.Lookup(s.flag()).NoOptDefVal = "true"
		}
	}
	return flags
}

// readEnviron picks out our variables and finds those that mean nothing.
func (l *loader) readEnviron(environ []string) map[string]string {
	env := make(map[string]string)
	// The client reads the last three, maybe in the same shell.
	known := map[string]bool{"BACKBEAT_CONFIG": true, "BACKBEAT_SERVER": true, "BACKBEAT_KEY": true, "BACKBEAT_PROFILE": true}
	for _, s := range settings {
		known[s.env()] = true
	}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if !known[name] {
			l.fault(name, "environment", "is not a variable of Backbeat; --help lists them")
			continue
		}
		env[name] = text
	}
	return env
}

// take uses the variables that are not empty: an empty one is how many a compose file says "not set".
func (l *loader) take(env map[string]string) {
	for _, s := range settings {
		if v := newValue(env[s.env()], s.env()); v.text != "" {
			l.values[s.key] = v
		}
	}
}

func (l *loader) takeFlags(flags *pflag.FlagSet) {
	for _, s := range settings {
		if f := flags.Lookup(s.flag()); f != nil && f.Changed {
			l.values[s.key] = newValue(f.Value.String(), "--"+f.Name)
		}
	}
}

func (l *loader) readFile(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		l.fault("config", path, "cannot be read: %v", errors.Unwrap(err))
		return
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		l.fault("config", path, "is not YAML: %v", err)
		return
	}
	for _, s := range settings {
		found := k.Get(s.key)
		if found == nil {
			continue
		}
		text, err := flatten(s.key, found)
		if err != nil {
			l.fault(s.key, path, "%v", err)
			continue
		}
		l.values[s.key] = newValue(text, path)
	}
	l.readSchedules(k.Get("schedules"), data, path)
	l.findUnknown(k, path)
}

func (l *loader) findUnknown(k *koanf.Koanf, path string) {
	keys := k.Keys()
	sort.Strings(keys)
	for _, key := range keys {
		if key == "schedules" || strings.HasPrefix(key, "schedules.") || slices.ContainsFunc(settings, func(s setting) bool { return s.holds(key) }) {
			continue
		}
		if k.Get(key) == nil && slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }) {
			continue // a section that is still empty
		}
		l.fault(key, path, "is not a key of the configuration; --help lists them")
	}
}

// holds reports whether a flattened key of a file belongs to the setting. Queues may be written as a map.
func (s setting) holds(key string) bool {
	return key == s.key || strings.HasSuffix(s.key, "queues") && strings.HasPrefix(key, s.key+".")
}

// flatten writes a YAML value the way the environment would.
func flatten(key string, v any) (string, error) {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = fmt.Sprint(one)
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		if !strings.HasSuffix(key, "queues") {
			return "", errors.New("must be a single value")
		}
		return flattenQueues(v), nil
	default:
		return fmt.Sprint(v), nil
	}
}

// flattenQueues orders the queues of a map, which has no order, by weight and then by name.
func flattenQueues(weights map[string]any) string {
	type entry struct{ name, weight string }
	var entries []entry
	for name, weight := range weights {
		entries = append(entries, entry{name, fmt.Sprint(weight)})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if len(a.weight) != len(b.weight) {
			return len(b.weight) - len(a.weight)
		}
		if c := strings.Compare(b.weight, a.weight); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	parts := make([]string, len(entries))
	for i, e := range entries {
		parts[i] = e.name + "=" + e.weight
	}
	return strings.Join(parts, ",")
}

func (l *loader) reported(key string) bool {
	return slices.ContainsFunc(l.faults, func(f Fault) bool { return f.Key == key })
}

// finish applies what was found and checks it as a whole.
func (l *loader) finish() (*Config, error) {
	cfg := Default(l.program)
	cfg.Schedules = l.schedules
	for _, s := range settings {
		v, set := l.values[s.key]
		if !set {
			continue
		}
		before := *cfg
		if err := s.set(cfg, v.text); err != nil {
			*cfg = before
			l.fault(s.key, v.source, "%v", err)
		}
	}
	if len(cfg.Worker.Queues) == 0 {
		cfg.Worker.Queues = cfg.Queues
	}
	for _, check := range l.checks {
		found := check(l.program, cfg)
		found = slices.DeleteFunc(found, func(f Fault) bool { return l.reported(f.Key) })
		l.faults = append(l.faults, found...)
	}
	if len(l.faults) > 0 {
		return nil, &Error{l.faults}
	}
	return cfg, nil
}
