package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

// natsConfig is what its flags say.
type natsConfig struct {
	auth, identities, config string
	sinks, subscribers       []string
	rotate, retire           string
	replicas                 int
	nack, asJSON             bool
}

// The formats of nats-config.
const (
	formatServer = "server"
	formatJWT    = "jwt"
	formatHelm   = "helm"
	formatNack   = "nack"
)

var natsFormats = []string{formatServer, formatJWT, formatHelm, formatNack}

func newNATSConfig() *cobra.Command {
	var c natsConfig
	cmd := &cobra.Command{
		Use:   "nats-config {server | jwt | helm | nack}",
		Short: "Write what a NATS server has to know: accounts, permissions, chart values, streams",
		Long: `nats-config writes configuration of NATS; nothing is asked of a server.

  server  an account with a user for each service, who may do what that service does and nothing else;
          the server includes it (include accounts.conf)
  jwt     the same by tokens: operator, account and a creds file for each service, resolver MEMORY
  helm    values for the official Helm chart: three servers, TLS, sync_interval always
  nack    streams and buckets as resources of NACK

With --identities server and jwt make secrets in that folder, one folder for each service, ready to become Kubernetes
Secrets (<service>-nats/password, nkey or creds), and accounts.conf. What is there is kept. Secrets are written to
files for their owner alone and never printed; they may be moved away afterwards. Without --identities server
prints the accounts, with passwords that NATS takes from its environment ($ERPSTREAM_SINK_MYSQL).

--rotate makes a new secret, and the old one is accepted too until --retire: load accounts.conf into NATS, give
the service its new secret, and retire the old one when all replicas have connected with the new.

With --config no identity may do more than the connections, sources and flows of that folder need; run it again
when they change. Without it, services of one kind share what is of that kind.`,
		Example: `  erpstream nats-config server --identities nats --config my-config
  erpstream nats-config server --identities nats --rotate sink-mysql
  erpstream nats-config jwt --identities nats --sink webhook --subscriber bi=RAW,LEDGER
  erpstream nats-config helm > values.yaml`,
		ValidArgs: natsFormats,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(natsFormats, args[0]) {
				return fmt.Errorf("name one format: %s", strings.Join(natsFormats, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&c.identities, "identities", "", "folder for secrets and accounts.conf (server, jwt)")
	f.StringVar(&c.auth, "auth", string(natsconfig.Password), "how services prove who they are: password or nkey (server)")
	f.StringVar(&c.config, "config", "", "folder with connections, sources and flows: nobody may do more than these need (server, jwt)")
	f.StringArrayVar(&c.sinks, "sink", nil, "kind of a sink of another team, which gets an identity sink-KIND; may be given several times (server, jwt)")
	f.StringArrayVar(&c.subscribers, "subscriber", nil, "NAME=STREAM,STREAM: a program that reads these streams; may be given several times (server, jwt)")
	f.BoolVar(&c.nack, "nack", false, "an identity nack for NACK, where it makes the streams (server, jwt)")
	f.StringVar(&c.rotate, "rotate", "", "identity that gets a new secret; the old one stays valid (server, jwt)")
	f.StringVar(&c.retire, "retire", "", "identity whose old secret becomes invalid (server, jwt)")
	f.IntVar(&c.replicas, "replicas", 3, "servers of the cluster, and replicas of each stream (helm, nack)")
	f.BoolVar(&c.asJSON, "json", false, "print the identities and what they may do as JSON (server, jwt)")
	return cmd
}

func (c natsConfig) run(cmd *cobra.Command, format string) error {
	if err := c.check(cmd, format); err != nil {
		return misuse{err}
	}
	out := cmd.OutOrStdout()
	switch format {
	case formatHelm:
		return natsconfig.Helm(out, c.replicas)
	case formatNack:
		return natsconfig.Nack(out, c.replicas)
	}
	roles, err := c.roles()
	if err != nil {
		return misuse{err}
	}
	if c.identities == "" {
		if c.asJSON {
			return printJSON(out, described(roles, nil, nil))
		}
		return natsconfig.Variables(out, roles)
	}
	return c.keep(out, format, roles)
}

// flagsOf are the flags that go with some formats only.
var flagsOf = map[string][]string{
	"identities": {formatServer, formatJWT}, "config": {formatServer, formatJWT}, "sink": {formatServer, formatJWT},
	"subscriber": {formatServer, formatJWT}, "rotate": {formatServer, formatJWT}, "retire": {formatServer, formatJWT},
	"nack": {formatServer, formatJWT}, "json": {formatServer, formatJWT}, "auth": {formatServer}, "replicas": {formatHelm, formatNack},
}

// check refuses flags that do not go with the format or with one another.
func (c natsConfig) check(cmd *cobra.Command, format string) error {
	for _, name := range slices.Sorted(maps.Keys(flagsOf)) {
		if cmd.Flags().Changed(name) && !slices.Contains(flagsOf[name], format) {
			return fmt.Errorf("--%s does not go with %s", name, format)
		}
	}
	switch {
	case !slices.Contains([]int{1, 3, 5}, c.replicas):
		return fmt.Errorf("--replicas: is %d, not 1, 3 or 5", c.replicas)
	case c.auth != string(natsconfig.Password) && c.auth != string(natsconfig.Nkey):
		return fmt.Errorf("--auth: is %q, not password or nkey", c.auth)
	case c.identities == "" && format == formatJWT:
		return errors.New("jwt makes keys: name a folder with --identities")
	case c.identities == "" && (c.rotate+c.retire != "" || cmd.Flags().Changed("auth")):
		return errors.New("--auth, --rotate and --retire are about secrets: name their folder with --identities")
	case c.rotate != "" && c.retire != "":
		return errors.New("--rotate and --retire: one at a time, services change their secrets between them")
	}
	return nil
}

// roles are those of the installation and of other teams.
func (c natsConfig) roles() ([]topology.Role, error) {
	scope, err := c.scope()
	if err != nil {
		return nil, err
	}
	roles := topology.Roles(scope)
	for _, kind := range c.sinks {
		if err := topology.CheckName(kind); err != nil {
			return nil, fmt.Errorf("--sink: %w", err)
		}
		if c.config != "" && len(scope.Written[kind]) == 0 {
			return nil, fmt.Errorf("--sink %s: no flow of --config %s writes to that kind", kind, c.config)
		}
		roles = append(roles, topology.SinkRole(kind, scope))
	}
	for _, text := range c.subscribers {
		name, streams, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--subscriber %s: write NAME=STREAM,STREAM", text)
		}
		r, err := topology.SubscriberRole(name, strings.Split(streams, ",")...)
		if err != nil {
			return nil, fmt.Errorf("--subscriber %s: %w", text, err)
		}
		roles = append(roles, r)
	}
	if c.nack {
		roles = append(roles, topology.NackRole())
	}
	seen := map[string]bool{}
	for _, r := range roles {
		if seen[r.Name] {
			return nil, fmt.Errorf("there are two identities %s: leave out one --sink or --subscriber", r.Name)
		}
		seen[r.Name] = true
	}
	for _, name := range []string{c.rotate, c.retire} {
		if name != "" && !seen[name] {
			return nil, fmt.Errorf("there is no identity %s: %s", name, strings.Join(namesOf(roles), ", "))
		}
	}
	return roles, nil
}

func namesOf(roles []topology.Role) []string {
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
	}
	return names
}

// scope is what the documents of --config need, anything without it.
func (c natsConfig) scope() (topology.Scope, error) {
	if c.config == "" {
		return topology.Scope{}, nil
	}
	docs, err := configuration(c.config, "")
	if err != nil {
		return topology.Scope{}, err
	}
	set := flow.Set{}.With(docs...)
	if len(set.Flows) == 0 {
		return topology.Scope{}, fmt.Errorf("--config %s: it has no flows", c.config)
	}
	return natsconfig.ScopeOf(set), nil
}

// keep makes what the folder lacks, and writes the accounts.
func (c natsConfig) keep(out io.Writer, format string, roles []topology.Role) error {
	kind := natsconfig.Kind(c.auth)
	if format == formatJWT {
		kind = natsconfig.JWT
	}
	folder, err := natsconfig.Open(c.identities, kind)
	if err != nil {
		return err
	}
	done := map[string]string{}
	if c.retire != "" {
		err = folder.Retire(c.retire)
		done[c.retire] = "old one retired"
	} else if c.rotate != "" && folder.Has(c.rotate) {
		err = folder.Rotate(roles[slices.Index(namesOf(roles), c.rotate)])
		done[c.rotate] = "rotated, the old one is valid too"
	}
	if err != nil {
		return err
	}
	made, err := folder.Keep(roles)
	for _, name := range made {
		done[name] = "made"
	}
	if err != nil {
		return err
	}
	path, err := folder.Write(roles)
	if err != nil {
		return err
	}
	if c.asJSON {
		return printJSON(out, described(roles, folder, done))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "IDENTITY\tSTATE\tSECRET\tFOR")
	for _, d := range described(roles, folder, done) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", d.Name, d.State, d.Secret, d.Purpose)
	}
	fmt.Fprintf(table, "\nNATS includes %s: load it (nats-server --signal reload) before services use new secrets.\n", path)
	return table.Flush()
}

// identity is one as --json shows it.
type identity struct {
	Name      string   `json:"identity"`
	Purpose   string   `json:"for"`
	State     string   `json:"state,omitempty"`
	Secret    string   `json:"secret,omitempty"`
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
}

// described are the roles with what was done to their secrets in a folder, if there is one.
func described(roles []topology.Role, folder *natsconfig.Folder, done map[string]string) []identity {
	var all []identity
	for _, r := range roles {
		i := identity{Name: r.Name, Purpose: r.Purpose, Publish: r.Publish, Subscribe: r.Subscribe}
		if folder != nil {
			i.Secret, i.State = folder.Secrets(r.Name), "kept"
			if text := done[r.Name]; text != "" {
				i.State = text
			}
		}
		all = append(all, i)
	}
	return all
}
