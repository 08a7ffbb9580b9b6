// Package deploy checks the files that Backbeat is deployed with, on machines without a container engine.
package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/backbeat-go/backbeat/config"
)

const root = "../.."

func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithName("backbeat"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return p
}

// programs returns the services that run our own programs.
func programs(p *types.Project) []types.ServiceConfig {
	var own []types.ServiceConfig
	for _, service := range p.AllServices() {
		if service.Name != "redis" {
			own = append(own, service)
		}
	}
	return own
}

func TestComposeServices(t *testing.T) {
	p := project(t)
	if got, want := p.ServiceNames(), []string{"api", "beat", "redis", "worker"}; !slices.Equal(got, want) {
		t.Fatalf("services %q, want %q", got, want)
	}
	for _, s := range p.AllServices() {
		t.Run(s.Name, func(t *testing.T) {
			if s.ContainerName != "" {
				t.Error("a container name forbids to scale the service")
			}
			if s.HealthCheck == nil || s.HealthCheck.Disable {
				t.Error("there is no health check")
			}
			if s.Restart != types.RestartPolicyUnlessStopped {
				t.Errorf("restart is %q", s.Restart)
			}
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged {
				t.Error("the service may do more than it needs")
			}
			if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
				t.Error("the service may gain privileges")
			}
		})
	}
}

func TestComposePrograms(t *testing.T) {
	for _, s := range programs(project(t)) {
		t.Run(s.Name, func(t *testing.T) {
			binary := "backbeat-" + s.Name
			if !slices.Equal(s.Command, []string{binary}) {
				t.Errorf("command %q, want %s", s.Command, binary)
			}
			if want := []string{"CMD", binary, "healthcheck"}; !slices.Equal(s.HealthCheck.Test, want) {
				t.Errorf("health check %q, want %q", s.HealthCheck.Test, want)
			}
			if _, err := os.Stat(filepath.Join(root, "cmd", s.Name)); err != nil {
				t.Error(err)
			}
			if s.Image != "" {
				t.Errorf("image %s: services that build one name at once overwrite one another", s.Image)
			}
			if s.DependsOn["redis"].Condition != types.ServiceConditionHealthy {
				t.Error("the service does not wait for Redis to be healthy")
			}
		})
	}
}

func TestComposeConfiguration(t *testing.T) {
	for _, s := range programs(project(t)) {
		t.Run(s.Name, func(t *testing.T) {
			cfg, err := config.Load(config.Program(s.Name), nil, environ(s))
			if err != nil {
				t.Fatal(err)
			}
			if url := cfg.Redis.URL.Reveal(); url != "redis://redis:6379/0" {
				t.Errorf("redis.url is %s", url)
			}
			// What the health check of each program asks.
			addr := map[string]string{"api": cfg.API.Addr, "worker": cfg.Worker.AdminAddr, "beat": cfg.Beat.AdminAddr}[s.Name]
			if addr == "" {
				t.Error("there is no address that a health check could ask")
			}
		})
	}
}

func environ(s types.ServiceConfig) []string {
	var environ []string
	for name, value := range s.Environment {
		environ = append(environ, name+"="+*value)
	}
	return environ
}

func TestComposePublishesOnlyTheAPI(t *testing.T) {
	for _, s := range project(t).AllServices() {
		if s.Name == "api" {
			if len(s.Ports) != 1 || s.Ports[0].HostIP != "127.0.0.1" || s.Ports[0].Published != "8080" || s.Ports[0].Target != 8080 {
				t.Errorf("the API publishes %+v, want 8080 at 127.0.0.1:8080", s.Ports)
			}
			continue
		}
		if len(s.Ports) > 0 || s.NetworkMode != "" {
			t.Errorf("%s can be reached from outside", s.Name)
		}
	}
}

func TestComposeWorkerHasTimeToDrain(t *testing.T) {
	worker, err := project(t).GetService("worker")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.WorkerProgram, nil, environ(worker))
	if err != nil {
		t.Fatal(err)
	}
	if grace := time.Duration(*worker.StopGracePeriod); grace <= cfg.Worker.ShutdownTimeout {
		t.Errorf("a worker that may drain for %s is killed after %s", cfg.Worker.ShutdownTimeout, grace)
	}
}

func TestComposeBeatHasAStandby(t *testing.T) {
	beat, err := project(t).GetService("beat")
	if err != nil {
		t.Fatal(err)
	}
	if beat.GetScale() != 2 {
		t.Errorf("%d beats, want 2", beat.GetScale())
	}
}

func TestComposeRedisKeepsEverything(t *testing.T) {
	redis, err := project(t).GetService("redis")
	if err != nil {
		t.Fatal(err)
	}
	command := strings.Join(redis.Command, " ")
	for _, want := range []string{"--appendonly yes", "--maxmemory-policy noeviction"} {
		if !strings.Contains(command, want) {
			t.Errorf("%q is without %s", command, want)
		}
	}
	if len(redis.Volumes) != 1 || redis.Volumes[0].Type != types.VolumeTypeVolume || redis.Volumes[0].Target != "/data" {
		t.Errorf("volumes %+v, want one at /data", redis.Volumes)
	}
}
