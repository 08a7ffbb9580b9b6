package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// ValidationError is one error in the configuration.
type ValidationError struct {
	Key     string // as in the file: api.addr
	Source  string // a file, BACKBEAT_API_ADDR or --api-addr; empty if the error involves several keys
	Message string
}

// Error holds all errors of a configuration.
type Error struct {
	Errors []ValidationError
}

// Error returns a line for each error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is invalid:")
	for _, invalid := range e.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", invalid.Key, invalid.Message)
		if invalid.Source != "" {
			fmt.Fprintf(&b, " (from %s)", invalid.Source)
		}
	}
	return b.String()
}

// Check finds errors in the configuration of a program.
type Check func(Program, *Config) []ValidationError

// Errors that Load returns for --help and --version.
var (
	ErrHelp    = errors.New("help requested")
	ErrVersion = errors.New("version requested")
)

// value is the value of a key in a source.
type value struct {
	text   string
	source string
}

// newValue trims line breaks at the end: a secret that was read from a file often has one.
func newValue(text, source string) value {
	return value{strings.TrimRight(text, "\r\n"), source}
}

// Load reads the configuration of a program from its arguments, without the program's name, and its environment,
// in the form of os.Environ. It returns ErrHelp for --help, ErrVersion for --version, and an *Error with all errors of an
// invalid configuration. The checks add errors that this package cannot find; they see the default in place of an invalid
// setting.
func Load(p Program, args, environ []string, checks ...Check) (*Config, error) {
	l := &loader{program: p, values: make(map[string]value), checks: append([]Check{check}, checks...)}
	flags := newFlags(p)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, ErrHelp
		}
		l.errorf("flags", "", "%v; --help lists them", err)
	}
	if version, _ := flags.GetBool("version"); version {
		return nil, ErrVersion
	}
	for _, arg := range flags.Args() {
		l.errorf("flags", "", "unexpected argument %q; --help lists the flags", arg)
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
	errors    []ValidationError
	checks    []Check
}

func (l *loader) errorf(key, source, format string, args ...any) {
	l.errors = append(l.errors, ValidationError{key, source, fmt.Sprintf(format, args...)})
}

func newFlags(p Program) *pflag.FlagSet {
	flags := pflag.NewFlagSet(string(p), pflag.ContinueOnError)
	flags.Usage = func() {} // the program prints Usage
	flags.SortFlags = false
	flags.String("config", "", "read this YAML file")
	flags.Bool("version", false, "print the version")
	for _, s := range settings {
		if s.secret || !s.appliesTo(p) {
			continue
		}
		flags.String(s.flag(), "", s.usage)
		if s.get(Default(p)) == "true" || s.get(Default(p)) == "false" {
			flags.Lookup(s.flag()).NoOptDefVal = "true"
		}
	}
	return flags
}

// readEnviron returns the BACKBEAT_ variables, and reports unknown ones.
func (l *loader) readEnviron(environ []string) map[string]string {
	env := make(map[string]string)
	// The command line client reads the last three, perhaps in the same shell.
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
			l.errorf(name, "environment", "is not a variable of Backbeat; --help lists them")
			continue
		}
		env[name] = text
	}
	return env
}

// take sets the values of the variables that are not empty: many Compose files pass an unset variable as an empty one.
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

// content gives koanf what was read from a file.
type content []byte

func (c content) ReadBytes() ([]byte, error)    { return c, nil }
func (c content) Read() (map[string]any, error) { return nil, errors.ErrUnsupported }

func (l *loader) readFile(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		l.errorf("config", path, "cannot be read: %v", errors.Unwrap(err))
		return
	}
	k := koanf.New(".")
	if err := k.Load(content(data), yaml.Parser()); err != nil {
		l.errorf("config", path, "is not YAML: %v", err)
		return
	}
	for _, s := range settings {
		found := k.Get(s.key)
		if found == nil {
			continue
		}
		text, err := flatten(s.key, found)
		if err != nil {
			l.errorf(s.key, path, "%v", err)
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
			continue // an empty section
		}
		l.errorf(key, path, "is not a key of the configuration; --help lists them")
	}
}

// holds reports whether a flattened key of a file belongs to the setting. Queues may be written as a map.
func (s setting) holds(key string) bool {
	return key == s.key || strings.HasSuffix(s.key, "queues") && strings.HasPrefix(key, s.key+".")
}

// flatten writes a YAML value in the form of an environment variable.
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
	return slices.ContainsFunc(l.errors, func(e ValidationError) bool { return e.Key == key })
}

// finish sets the values and runs the checks.
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
			l.errorf(s.key, v.source, "%v", err)
		}
	}
	if len(cfg.Worker.Queues) == 0 {
		cfg.Worker.Queues = cfg.Queues
	}
	for _, check := range l.checks {
		found := check(l.program, cfg)
		found = slices.DeleteFunc(found, func(e ValidationError) bool { return l.reported(e.Key) })
		l.errors = append(l.errors, found...)
	}
	if len(l.errors) > 0 {
		return nil, &Error{l.errors}
	}
	return cfg, nil
}
