package config_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
)

func TestRedisURL(t *testing.T) {
	tests := []struct {
		url  string
		want redis.UniversalOptions
	}{
		{"redis://localhost", redis.UniversalOptions{Addrs: []string{"localhost:6379"}}},
		{"redis://u:p%40ss@h:1234/5", redis.UniversalOptions{Addrs: []string{"h:1234"}, Username: "u", Password: "p@ss", DB: 5}},
		{"redis://:p@[::1]:1234", redis.UniversalOptions{Addrs: []string{"[::1]:1234"}, Password: "p"}},
		{"rediss://h", redis.UniversalOptions{Addrs: []string{"h:6379"}}},
		{"redis-socket:///run/redis.sock?db=3", redis.UniversalOptions{Addrs: []string{"/run/redis.sock"}, DB: 3}},
		{
			"redis-sentinel://u:p@a,b:1/2?master=m&sentinel_password=s",
			redis.UniversalOptions{Addrs: []string{"a:26379", "b:1"}, MasterName: "m", Username: "u", Password: "p", SentinelPassword: "s", DB: 2},
		},
		{
			"redis-sentinel://a/0?master=m&sentinel_password=a+b%2Bc%20d",
			redis.UniversalOptions{Addrs: []string{"a:26379"}, MasterName: "m", SentinelPassword: "a+b+c d"},
		},
		{"redis://:a+b@h", redis.UniversalOptions{Addrs: []string{"h:6379"}, Password: "a+b"}},
		{"redis-cluster://u:p@a:1,b:2", redis.UniversalOptions{Addrs: []string{"a:1", "b:2"}, IsClusterMode: true, Username: "u", Password: "p"}},
	}
	for _, tt := range tests {
		got, err := config.Redis{URL: config.Secret(tt.url)}.Options()
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		same := len(got.Addrs) == len(tt.want.Addrs) && got.MasterName == tt.want.MasterName && got.Username == tt.want.Username &&
			got.Password == tt.want.Password && got.SentinelPassword == tt.want.SentinelPassword && got.DB == tt.want.DB &&
			got.IsClusterMode == tt.want.IsClusterMode && (got.TLSConfig != nil) == (tt.url[:7] == "rediss:")
		for i := range tt.want.Addrs {
			same = same && got.Addrs[i] == tt.want.Addrs[i]
		}
		if !same {
			t.Errorf("%s: %+v, want %+v", tt.url, got, tt.want)
		}
	}
	for _, bad := range []string{
		"", "localhost:6379", "http://h", "redis://", "redis://h:0", "redis://h:99999", "redis://h:x", "redis://h/x", "redis://h/-1",
		"redis://a,b", "redis-socket://h/p", "redis-socket://", "redis-sentinel://a", "redis-cluster://a/1", "redis://u:%zz@h",
		"redis://h?db=3", "redis://h/0?foo=bar", "rediss://h?insecure=true", "redis-cluster://a?db=0", "redis-socket:///p?database=1",
		"redis-sentinel://a?master=m&db=1", "redis-sentinel://a?master=m&master=n", "redis-sentinel://a?master=m&sentinel_password=%zz", "redis://h/0#1",
	} {
		if opts, err := (config.Redis{URL: config.Secret(bad)}).Options(); err == nil {
			t.Errorf("%q is accepted: %+v", bad, opts)
		}
	}
}

// The error for an unescaped password says how to escape it, and does not quote it.
func TestRedisURLWithUnescapedPassword(t *testing.T) {
	for _, password := range []string{"hun#ter2", "hun/ter2", "hun?ter2", "#hunter2", "hunter2#", "hun ter2", "hun%ter2", "hun[ter2", `hun\ter2`} {
		for _, form := range []string{"redis://u:%s@h:1/0", "redis-cluster://u:%s@h:1,i", "redis-sentinel://u:%s@h/0?master=m"} {
			_, err := config.Redis{URL: config.Secret(strings.Replace(form, "%s", password, 1))}.Options()
			if err == nil || !strings.Contains(err.Error(), "percent-encoded") {
				t.Errorf("%s with %s: %v", form, password, err)
			} else if strings.Contains(err.Error(), "ter2") {
				t.Errorf("the password is quoted: %v", err)
			}
		}
	}
}

func TestRedisURLServerName(t *testing.T) {
	for url, want := range map[string]string{
		"rediss://[::1]:6379": "::1", "rediss://[::1]": "::1", "rediss://h": "h", "rediss://u:p@redis.example.com:1/2": "redis.example.com",
	} {
		opts, err := config.Redis{URL: config.Secret(url)}.Options()
		if err != nil || opts.TLSConfig.ServerName != want {
			t.Errorf("%s: %+v, %v", url, opts, err)
		}
	}
}
