// Package deploy tests what the project is deployed with: the files at the top that no compiler reads.
package deploy

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/backbeat-go/backbeat/config"
)

func project(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithName("backbeat"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(context.Background()) // which checks it against the Compose specification
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompose(t *testing.T) {
	p := project(t)
	for _, name := range []string{"redis", "api", "worker", "beat"} {
		s, ok := p.Services[name]
		if !ok {
			t.Fatalf("there is no service %s", name)
		}
		if s.ContainerName != "" {
			t.Errorf("%s has a fixed container name, so it cannot be scaled", name)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		for _, port := range s.Ports {
			if name != "api" || port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s:%s", name, port.HostIP, port.Published)
			}
		}
		if name != "redis" && s.DependsOn["redis"].Condition != types.ServiceConditionHealthy {
			t.Errorf("%s does not wait for a healthy redis", name)
		}
	}
	beat := p.Services["beat"]
	if n := beat.GetScale(); n != 2 {
		t.Errorf("%d replicas of beat, want 2", n)
	}
	grace := p.Services["worker"].StopGracePeriod
	if limit := config.Default(config.WorkerProgram).Worker.ShutdownTimeout; grace == nil || time.Duration(*grace) <= limit {
		t.Errorf("the worker is killed after %v, and may take %s", grace, limit)
	}
}

func TestComposeRedisKeepsEverything(t *testing.T) {
	redis := project(t).Services["redis"]
	command := strings.Join(redis.Command, " ")
	for _, want := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(command, want) {
			t.Errorf("redis runs without %s", want)
		}
	}
	if len(redis.Volumes) != 1 || redis.Volumes[0].Type != types.VolumeTypeVolume || redis.Volumes[0].Target != "/data" {
		t.Errorf("volumes %v", redis.Volumes)
	}
}

// The programs must accept what the file tells them.
func TestComposeEnvironmentIsValid(t *testing.T) {
	p := project(t)
	for name, program := range map[string]config.Program{
		"api": config.APIProgram, "worker": config.WorkerProgram, "beat": config.BeatProgram,
	} {
		var environ []string
		for key, value := range p.Services[name].Environment {
			environ = append(environ, key+"="+*value)
		}
		if _, err := config.Load(program, nil, environ); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "worker", "beat", "standalone"} {
		if _, err := os.Stat("../cmd/" + name + "/main.go"); err != nil {
			t.Error(err)
		}
		copied := regexp.MustCompile(`COPY --from=build /out/` + name + ` /usr/local/bin/backbeat-` + name + `\n`)
		if !copied.Match(data) {
			t.Errorf("the image has no %s", name)
		}
	}
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(data), -1)
	if last := stages[len(stages)-1][1]; len(stages) < 2 || !strings.HasSuffix(last, ":nonroot") {
		t.Errorf("the image is built from %s in %d stages", last, len(stages))
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)[1]
	if !strings.Contains(string(data), "golang:"+string(version)+" ") {
		t.Errorf("the image is not built with Go %s of go.mod", version)
	}
}
