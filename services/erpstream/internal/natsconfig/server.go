package natsconfig

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Account is the name of the account that everything of erpstream is in.
const Account = "ERPSTREAM"

const accountsHead = `# The account of erpstream and who may do what in it, made by ` + "`erpstream nats-config`" + `: make it anew, don't
# edit it. A server includes it beside its own configuration:  include accounts.conf
`

// Variables writes the accounts with passwords that the server takes from its environment, such as
// $ERPSTREAM_SINK_MYSQL: for a look, and where something else makes the secrets.
func Variables(to io.Writer, roles []topology.Role) error {
	return accounts(to, roles, func(r topology.Role) []string {
		return []string{fmt.Sprintf("user: %s, password: $%s", quote(r.Name), Variable(r.Name))}
	})
}

// Variable is the variable of a role's password.
func Variable(role string) string {
	return Account + "_" + strings.ToUpper(strings.ReplaceAll(role, "-", "_"))
}

// accounts writes the accounts with the folder's passwords or keys.
func (f *Folder) accounts(to io.Writer, roles []topology.Role) error {
	return accounts(to, roles, func(r topology.Role) []string {
		var users []string
		for _, key := range f.state.Keys[r.Name] {
			if key.Public != "" {
				users = append(users, "nkey: "+key.Public)
			} else {
				users = append(users, fmt.Sprintf("user: %s, password: %s", quote(key.User), quote(key.Hash)))
			}
		}
		return users
	})
}

// accounts writes the accounts; users are the ways in which a role signs in.
func accounts(to io.Writer, roles []topology.Role, users func(topology.Role) []string) error {
	var b strings.Builder
	b.WriteString(accountsHead + "accounts {\n  " + Account + " {\n    jetstream: enabled\n    users: [\n")
	for _, r := range roles {
		for _, user := range users(r) {
			fmt.Fprintf(&b, "      # %s: %s\n      {\n        %s\n        permissions {\n", r.Name, r.Purpose, user)
			list(&b, "publish", r.Publish)
			list(&b, "subscribe", r.Subscribe)
			b.WriteString("        }\n      }\n")
		}
	}
	b.WriteString("    ]\n  }\n}\n")
	_, err := io.WriteString(to, b.String())
	return err
}

func list(b *strings.Builder, verb string, subjects []string) {
	fmt.Fprintf(b, "          %s: {allow: [\n", verb)
	for _, subject := range subjects {
		fmt.Fprintf(b, "            %s\n", quote(subject))
	}
	b.WriteString("          ]}\n")
}

// quote writes a text as the server's configuration has it; in quotes nothing is a variable.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string always can
	return strings.NewReplacer(`\u003e`, ">").Replace(string(quoted))
}
