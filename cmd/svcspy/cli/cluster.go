package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // cloud and exec credentials, as kubectl has them
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is the connection flags, with kubectl's names and meanings. The
// kubeconfig is read only when config is called: offline commands have none of
// this.
type Cluster struct {
	rules     *clientcmd.ClientConfigLoadingRules
	Overrides clientcmd.ConfigOverrides
}

func (c *Cluster) AddFlags(cmd *cobra.Command) {
	c.rules = clientcmd.NewDefaultClientConfigLoadingRules()
	flags := cmd.Flags()
	flags.StringVar(&c.rules.ExplicitPath, "kubeconfig", "", "")
	clientcmd.BindOverrideFlags(&c.Overrides, flags, clientcmd.RecommendedConfigOverrideFlags(""))
	reword(flags)
	flags.Lookup("namespace").Usage = "namespace of the subject (default: that of the context)"
}

// errNoCluster is returned when neither a kubeconfig nor --server names one.
var errNoCluster = errors.New("no cluster is configured")

func (c *Cluster) client() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(c.rules, &c.Overrides)
}

// Config returns how to reach the cluster and the name of the context used.
func (c *Cluster) Config() (*rest.Config, string, error) {
	client := c.client()
	config, err := client.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, "", errNoCluster
	case clientcmd.IsContextNotFound(err):
		return nil, "", Usage(fmt.Errorf("read kubeconfig: %w", err), "`kubectl config get-contexts` lists the contexts")
	case err != nil:
		return nil, "", fmt.Errorf("read kubeconfig: %w", err)
	}
	// BindOverrideFlags puts --request-timeout into every request, which would
	// end each watch; see limited.
	config.Timeout = 0
	config.UserAgent = "svcspy/" + ProgramVersion()
	name := c.Overrides.CurrentContext
	if raw, err := client.RawConfig(); err == nil && name == "" {
		name = raw.CurrentContext
	}
	return config, name, nil
}

// Limited bounds the first questions to the API server by --request-timeout.
func (c *Cluster) Limited(ctx context.Context) (context.Context, context.CancelFunc, error) {
	limit, err := clientcmd.ParseTimeout(cmp.Or(c.Overrides.Timeout, "0"))
	if err != nil {
		return nil, nil, Usage(fmt.Errorf("--request-timeout %q is not a duration", c.Overrides.Timeout), "write it as 10s or 1m")
	}
	if limit == 0 {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, nil
}

// patience is how long an API server may take to say what it has, unless
// --request-timeout says otherwise.
const patience = time.Minute

// Namespace is -n, else the context's, else "default".
func (c *Cluster) Namespace() (string, error) {
	ns, _, err := c.client().Namespace()
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	return ns, nil
}
