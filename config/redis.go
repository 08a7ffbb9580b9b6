package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const redisForms = "redis://host:port/db, rediss://host:port/db, redis-socket:///path?db=0, " +
	"redis-sentinel://host:port,host:port/db?master=NAME or redis-cluster://host:port,host:port"

var errUnescaped = errors.New("is not a URL; special characters of a user, password or parameter must be percent-encoded, " +
	"as in %23 for #, %2F for /, %3F for ? and %40 for @")

// Options parses the URL. User and password come before an @, as in any URL. Errors never quote the URL, which may
// contain a password.
func (r Redis) Options() (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(r.URL.Reveal(), "://")
	if !ok {
		return nil, errors.New("must be one of " + redisForms)
	}
	// net/url does not accept several hosts, so they are cut out first.
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	// An @ or # after the hosts comes from a user or password with an unescaped /, ? or #.
	if strings.ContainsAny(path, "@#") {
		return nil, errUnescaped
	}
	userinfo, hosts := "", authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		userinfo, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("redis://" + userinfo + "host" + path)
	if err != nil {
		return nil, errUnescaped
	}
	opts := &redis.UniversalOptions{
		Username:    u.User.Username(),
		DialTimeout: 5 * time.Second,
		// The programs retry on their own schedule, and the API responds that Redis is unavailable.
		DialerRetries: 1,
		// No command of asynq or of the scripts takes this long, so Redis is unavailable after it.
		ReadTimeout:  5 * time.Second,
		WriteTimeout: 5 * time.Second,
	}
	opts.Password, _ = u.User.Password()
	return opts, apply(opts, scheme, hosts, u)
}

func apply(opts *redis.UniversalOptions, scheme, hosts string, u *url.URL) error {
	query, err := parameters(scheme, u)
	if err != nil {
		return err
	}
	db := strings.Trim(u.Path, "/")
	switch scheme {
	case "redis", "rediss":
		if strings.Contains(hosts, ",") {
			return errors.New("has several hosts; use redis-sentinel:// or redis-cluster:// for that")
		}
	case "redis-socket":
		if hosts != "" || u.Path == "" {
			return errors.New("must be redis-socket:///path/to/socket?db=0")
		}
		opts.Addrs = []string{u.Path}
		db = query.Get("db")
	case "redis-sentinel":
		opts.MasterName = query.Get("master")
		if opts.MasterName == "" {
			return errors.New("redis-sentinel:// needs ?master=NAME")
		}
		// Sentinels have their own users, and mostly need none.
		opts.SentinelUsername, opts.SentinelPassword = query.Get("sentinel_username"), query.Get("sentinel_password")
	case "redis-cluster":
		opts.IsClusterMode = true
		if db != "" && db != "0" {
			return errors.New("a cluster has only database 0")
		}
	default:
		return fmt.Errorf("scheme %q is not one of %s", scheme, redisForms)
	}
	if scheme != "redis-socket" {
		if err := setAddrs(opts, scheme, hosts); err != nil {
			return err
		}
	}
	if scheme == "rediss" {
		host, _, err := net.SplitHostPort(opts.Addrs[0])
		if err != nil {
			return err
		}
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	return setDB(opts, db)
}

// redisParameters lists the query parameters of each scheme.
var redisParameters = map[string][]string{
	"redis-socket":   {"db"},
	"redis-sentinel": {"master", "sentinel_username", "sentinel_password"},
}

// parameters reads the query parameters of the URL. A plus sign is not decoded as a space: passwords may contain it.
func parameters(scheme string, u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, "+", "%2B"))
	if err != nil {
		return nil, errUnescaped
	}
	known := redisParameters[scheme]
	for name, values := range query {
		switch {
		case len(known) == 0 && name == "db" && scheme != "redis-cluster":
			return nil, errors.New("takes the database in its path, as in redis://host:6379/3")
		case len(known) == 0:
			return nil, errors.New("takes no parameters")
		case !slices.Contains(known, name): // the name is not quoted: it may be part of a password
			return nil, fmt.Errorf("has an unknown parameter; the known ones are %s", strings.Join(known, ", "))
		case len(values) > 1:
			return nil, fmt.Errorf("has the parameter %s twice", name)
		}
	}
	return query, nil
}

func setAddrs(opts *redis.UniversalOptions, scheme, hosts string) error {
	port := "6379"
	if scheme == "redis-sentinel" {
		port = "26379"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, given, err := net.SplitHostPort(host)
		if err != nil {
			name, given = strings.Trim(host, "[]"), port
		}
		if n, err := strconv.Atoi(given); name == "" || err != nil || n < 1 || n > 65535 {
			return errors.New("needs a host, and a port from 1 to 65535 if there is one")
		}
		opts.Addrs = append(opts.Addrs, net.JoinHostPort(name, given))
	}
	return nil
}

func setDB(opts *redis.UniversalOptions, db string) error {
	if db == "" {
		return nil
	}
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 {
		return errors.New("the database must be a number, as in redis://host:6379/0")
	}
	opts.DB = n
	return nil
}
