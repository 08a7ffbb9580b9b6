package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/influxdata/promql/v2"
	"github.com/influxdata/promql/v2/pkg/labels"
	"go.yaml.in/yaml/v3"
)

// rules is a file of alerts, as far as ours goes.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			For                 time.Duration
			Labels, Annotations map[string]string
		}
	}
}

// scraping is a configuration of Prometheus, as far as ours goes.
type scraping struct {
	Global struct {
		ScrapeInterval time.Duration `yaml:"scrape_interval"`
	}
	RuleFiles     []string `yaml:"rule_files"`
	ScrapeConfigs []struct {
		JobName       string `yaml:"job_name"`
		StaticConfigs []struct {
			Targets []string
		} `yaml:"static_configs"`
		DNSSDConfigs []struct {
			Names []string
			Type  string
			Port  int
		} `yaml:"dns_sd_configs"`
	} `yaml:"scrape_configs"`
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

var (
	metricRow = regexp.MustCompile("(?m)^\\| `(backbeat_[a-z_]+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")
	labelName = regexp.MustCompile("`([a-z]+)`")
)

// metrics returns the labels of the metrics that there are, of which another test holds the documentation against the
// programs.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		all[row[1]] = nil
		for _, l := range labelName.FindAllStringSubmatch(row[3], -1) {
			all[row[1]] = append(all[row[1]], l[1])
		}
	}
	return all
}

func TestAlerts(t *testing.T) {
	var file rules
	readYAML(t, "alerts.yml", &file)
	known := metrics(t)
	var names []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			names = append(names, rule.Alert)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s does not say how bad it is, or what", rule.Alert)
			}
			checkTemplates(t, rule.Annotations)
			checkExpression(t, rule.Alert, rule.Expr, known)
		}
	}
	want := []string{"BackbeatQueueWaits", "BackbeatNoLeader", "BackbeatTicksMissed", "BackbeatWorkersCrash", "BackbeatTasksFail"}
	if !slices.Equal(names, want) {
		t.Errorf("alerts %q, want %q", names, want)
	}
}

// checkExpression wants an expression to be PromQL that asks for metrics that there are, by labels that they have.
func checkExpression(t *testing.T, alert, text string, known map[string][]string) {
	t.Helper()
	expr, err := promql.ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v", alert, err)
		return
	}
	selectors := 0
	promql.Inspect(expr, func(node promql.Node, _ []promql.Node) error {
		switch n := node.(type) {
		case *promql.VectorSelector:
			selectors++
			checkSelector(t, n.Name, n.LabelMatchers, known)
		case *promql.MatrixSelector:
			selectors++
			checkSelector(t, n.Name, n.LabelMatchers, known)
		}
		return nil
	})
	if selectors == 0 {
		t.Errorf("%s asks for no metric", alert)
	}
}

func checkSelector(t *testing.T, metric string, by []*labels.Matcher, known map[string][]string) {
	t.Helper()
	has, ok := known[metric]
	if !ok {
		t.Errorf("there is no metric %s", metric)
	}
	for _, m := range by {
		if m.Name != labels.MetricName && !slices.Contains(has, m.Name) {
			t.Errorf("%s has no label %s", metric, m.Name)
		}
	}
}

// checkTemplates wants annotations to be such as Prometheus fills in.
func checkTemplates(t *testing.T, annotations map[string]string) {
	t.Helper()
	text := func(any) string { return "" }
	for _, annotation := range annotations {
		// Prometheus defines the variables in front of each.
		made, err := template.New("").Funcs(template.FuncMap{"humanizeDuration": text, "humanizePercentage": text}).
			Parse(`{{$labels := .Labels}}{{$value := .Value}}` + annotation)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := made.Execute(&strings.Builder{}, map[string]any{"Labels": map[string]string{}, "Value": 1.0}); err != nil {
			t.Error(err)
		}
	}
}

func TestPrometheusScrapesEveryProgram(t *testing.T) {
	var file scraping
	readYAML(t, "prometheus.yml", &file)
	if !slices.Equal(file.RuleFiles, []string{"alerts.yml"}) {
		t.Errorf("rules %q", file.RuleFiles)
	}
	var scraped []string
	for _, job := range file.ScrapeConfigs {
		for _, static := range job.StaticConfigs {
			for _, target := range static.Targets {
				service, _, _ := strings.Cut(target, ":")
				scraped = append(scraped, service)
			}
		}
		for _, dns := range job.DNSSDConfigs {
			scraped = append(scraped, dns.Names...)
		}
	}
	var want []string
	for _, s := range programs(project(t)) {
		want = append(want, s.Name)
	}
	slices.Sort(scraped)
	slices.Sort(want)
	if !slices.Equal(scraped, want) {
		t.Errorf("Prometheus scrapes %q, there are %q", scraped, want)
	}
}
