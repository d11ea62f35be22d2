package record

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/agent"
	"github.com/svcspy/svcspy/replay/report"
)

// Names of secrets: files in the folder --secrets. In the environment they are written
// in capitals, with SVCSPY_ before them.
const (
	alertToken      = "alert-token"
	pagerDutySecret = "pagerduty-secret"
	notifyURL       = "notify-url"
	grafanaToken    = "grafana-token"
)

// longestSecret bounds the file of a secret.
const longestSecret = 8 << 10

// secret returns a secret from the folder --secrets, else from the environment; "" if
// neither has it. No flag takes a secret: command lines are seen by others.
func (o *agentOptions) secret(name string) (string, error) {
	if o.secrets != "" {
		data, err := os.ReadFile(filepath.Join(o.secrets, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("--secrets: %w", err)
		case len(data) > longestSecret || strings.TrimSpace(string(data)) == "":
			return "", cli.Usage(fmt.Errorf("--secrets: %s has %d bytes, which is no secret", filepath.Join(o.secrets, name), len(data)), "a file has one secret and nothing else")
		default:
			return strings.TrimSpace(string(data)), nil
		}
	}
	variable := "SVCSPY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	return strings.TrimSpace(os.Getenv(variable)), nil
}

// receiver returns what takes alerts; without a secret it refuses them. text takes
// secrets out of what they say.
func (o *agentOptions) receiver(text func(string) string) (*agent.Receiver, error) {
	token, err := o.secret(alertToken)
	if err != nil {
		return nil, err
	}
	signed, err := o.secret(pagerDutySecret)
	if err != nil {
		return nil, err
	}
	if o.listen == "" && token+signed != "" {
		return nil, cli.Usage(errors.New("alerts are taken at --listen, and it is not given"), o.Name+" agent --listen :9090 ...")
	}
	return &agent.Receiver{Token: token, PagerDuty: signed, Redact: text}, nil
}

// notifier returns what tells others about segments, nil if nobody is to be told.
func (o *agentOptions) notifier(cluster string, m *agent.Metrics, warn func(string, ...any)) (*agent.Notifier, error) {
	webhook, err := o.secret(notifyURL)
	if err != nil {
		return nil, err
	}
	token, err := o.secret(grafanaToken)
	if err != nil {
		return nil, err
	}
	if webhook == "" && o.grafana == "" {
		return nil, nil
	}
	if webhook != "" && !webAddress(webhook) {
		return nil, cli.Usage(fmt.Errorf("the secret %s is not an address", notifyURL), "it begins with https://")
	}
	switch {
	case o.grafana == "":
	case !webAddress(o.grafana):
		return nil, cli.Usage(fmt.Errorf("--grafana %q is not an address", report.Clean(o.grafana)), "write it as https://grafana.example, without user and password")
	case token == "":
		return nil, cli.Usage(fmt.Errorf("--grafana needs the secret %s", grafanaToken), "a token of a service account that may write annotations: a file of that name in the folder --secrets, or SVCSPY_GRAFANA_TOKEN")
	}
	from, query, _ := strings.Cut(o.to, "?")
	from = strings.TrimSuffix(from, "/") + "/" + cluster
	if query != "" {
		from = "'" + from + "?" + query + "'"
	}
	return &agent.Notifier{Webhook: webhook, Grafana: o.grafana, Token: token, Fetch: from, Metric: m, Warn: warn}, nil
}

// webAddress reports whether a text is an address of a web server without credentials.
func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}
