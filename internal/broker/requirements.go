package broker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// minRedis is the oldest Redis that has the commands of asynq and of the scripts here (LPOS, ZRANGE BYSCORE).
var minRedis = [2]int{6, 2}

// CheckRedis looks whether a Redis can keep what it is trusted with. It returns warnings about settings that can
// lose tasks, and an error with CodeUnavailable if Redis does not answer, or a plain one if it is too old.
func CheckRedis(ctx context.Context, rdb redis.UniversalClient) (warnings []string, err error) {
	if err := rdb.Ping(ctx).Err(); err != nil {
		return nil, wrap(err)
	}
	// An embedded or managed Redis may not tell its version; what cannot be known passes.
	info, err := rdb.Info(ctx, "server").Result()
	version := infoField(info, "redis_version")
	if err == nil && older(version, minRedis) {
		return nil, fmt.Errorf("redis %s is too old; %d.%d or newer is needed", version, minRedis[0], minRedis[1])
	}
	// Managed Redis often forbids CONFIG; then nothing is known, and nothing is said.
	policy, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result()
	if p := policy["maxmemory-policy"]; err == nil && p != "" && p != "noeviction" {
		warnings = append(warnings, fmt.Sprintf(
			"redis has maxmemory-policy %s and may throw tasks away when memory is short; set it to noeviction", p))
	}
	return warnings, nil
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// older reports whether a version is known to be older. Redis's relatives may count in ways of their own.
func older(version string, than [2]int) bool {
	majorText, rest, _ := strings.Cut(version, ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(majorText)
	minor, err2 := strconv.Atoi(minorText)
	if err1 != nil || err2 != nil {
		return false
	}
	return major < than[0] || major == than[0] && minor < than[1]
}
