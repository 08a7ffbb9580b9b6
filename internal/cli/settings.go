package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/backbeat-go/backbeat/client"
)

const defaultServer = "http://127.0.0.1:8080"

// settings are the flags for the connection to the API.
type settings struct {
	server, key, keyFile, profile string
	plainHTTP                     bool
}

func (s *settings) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&s.server, "server", "", "URL of the API (BACKBEAT_SERVER)")
	flags.StringVar(&s.key, "key", "", "API key or JWT; other users of the machine can see it, so prefer BACKBEAT_KEY or --key-file")
	flags.StringVar(&s.keyFile, "key-file", "", "file with the API key or JWT")
	flags.StringVar(&s.profile, "profile", "", "profile of the configuration file (BACKBEAT_PROFILE)")
	flags.BoolVar(&s.plainHTTP, "plain-http", false, "allow sending the key over http:// to other machines")
}

// profile is the connection to a named API in the configuration file.
type profile struct {
	Server    string `yaml:"server"`
	Key       string `yaml:"key"`
	KeyFile   string `yaml:"key_file"`
	PlainHTTP bool   `yaml:"plain_http"`
}

// connect creates the client. Flags override the environment, which overrides the profile. The profile's key is sent to the
// profile's server only.
func (c *cli) connect() error {
	s := &c.settings
	p, err := c.readProfile()
	if err != nil {
		return err
	}
	c.server = cmp.Or(s.server, c.env["BACKBEAT_SERVER"], p.Server, defaultServer)
	if c.server != p.Server {
		p = profile{}
	}
	key, err := c.findKey(p)
	if err != nil {
		return err
	}
	opts := []client.Option{client.WithKey(key), client.WithUserAgent("backbeat-cli")}
	if s.plainHTTP || p.PlainHTTP {
		opts = append(opts, client.WithPlainHTTP())
	}
	c.api, err = client.New(c.server, opts...)
	if err != nil {
		return usagef("%s", strings.Replace(err.Error(), "WithPlainHTTP", "--plain-http", 1))
	}
	return nil
}

func (c *cli) findKey(p profile) (string, error) {
	s := &c.settings
	switch {
	case s.key != "":
		return s.key, nil
	case s.keyFile != "":
		return readKey(s.keyFile)
	case c.env["BACKBEAT_KEY"] != "":
		return c.env["BACKBEAT_KEY"], nil
	case p.KeyFile != "":
		return readKey(p.KeyFile)
	default:
		return p.Key, nil
	}
}

func readKey(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// readProfile returns the selected profile or, if none is selected, the one named default, if it exists.
func (c *cli) readProfile() (profile, error) {
	name := cmp.Or(c.settings.profile, c.env["BACKBEAT_PROFILE"])
	path := filepath.Join(c.configDir(), "backbeat", "config.yaml")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && name == "" {
		return profile{}, nil
	}
	if err != nil {
		return profile{}, fmt.Errorf("read the profile %s: %w", name, err)
	}
	var content struct {
		Profiles map[string]profile `yaml:"profiles"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&content); err != nil && !errors.Is(err, io.EOF) { // an empty file has no profiles
		return profile{}, usagef("read %s: %v", path, err)
	}
	p, ok := content.Profiles[cmp.Or(name, "default")]
	if !ok && name != "" {
		return profile{}, usagef("%s has no profile %q", path, name)
	}
	c.warnOfReaders(path, content.Profiles)
	return p, nil
}

// configDir returns the configuration directory of the XDG specification, on every system.
func (c *cli) configDir() string {
	if dir := c.env["XDG_CONFIG_HOME"]; filepath.IsAbs(dir) {
		return dir
	}
	home := c.env["HOME"]
	if runtime.GOOS == "windows" {
		home = c.env["USERPROFILE"]
	}
	return filepath.Join(cmp.Or(home, "/"), ".config") // an absolute path even without a home
}

// warnOfReaders prints a warning if other users can read a key in the file.
func (c *cli) warnOfReaders(path string, profiles map[string]profile) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return
	}
	for _, p := range profiles {
		if p.Key != "" {
			c.print("warning: %s contains a key that other users can read; protect it with chmod 600", path)
			return
		}
	}
}
