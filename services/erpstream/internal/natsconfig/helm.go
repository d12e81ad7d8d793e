package natsconfig

import (
	"fmt"
	"io"
	"strings"
	"text/template"
)

// Helm writes values for the official chart of NATS: so many servers in zones of their own, what is
// acknowledged on disk, TLS for clients and between servers, and the accounts from a Secret. One server is no
// cluster: JetStream would wait for others for ever.
func Helm(to io.Writer, servers int) error {
	if err := helm.Execute(to, map[string]any{"Servers": servers, "MaxPayload": MaxPayload >> 20, "Accounts": accountsFile}); err != nil {
		return fmt.Errorf("write the chart's values: %w", err)
	}
	return nil
}

// MaxPayload is the largest message in bytes: documents with thousands of lines exist.
const MaxPayload = 8 << 20

// restricted is the security context of a container under the restricted standard, as a patch of the chart.
func restricted(indent int) string {
	const text = `merge:
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
`
	return strings.TrimRight(strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent)), " \n")
}

var helm = template.Must(template.New("values").Funcs(template.FuncMap{"restricted": restricted}).Parse(
	`# Values for the chart nats of https://nats-io.github.io/k8s/helm/charts/, 2.14.2 or newer, made by
# ` + "`erpstream nats-config helm`" + `. Put what differs in a file of your own behind it: helm -f values.yaml -f mine.yaml

config:
  cluster:
    enabled: {{gt .Servers 1}}
    replicas: {{.Servers}}
    tls:
      enabled: true
      secretName: nats-route-tls
      merge: {verify: true}       # servers show one another their certificates
  jetstream:
    enabled: true
    fileStore:
      pvc: {size: 50Gi}           # storageClassName: one with fast fsync
      maxSize: 45Gi               # nine tenths: on a full disk NATS switches JetStream off
    merge:
      sync_interval: always       # what is acknowledged is on disk; the default is up to two minutes later
  nats:
    tls:
      enabled: true
      secretName: nats-server-tls
      merge: {verify: true}       # clients show a certificate, beside their password, key or token
  monitor: {enabled: true}        # 8222 of the headless service, for erpstream doctor and KEDA
  merge:
    max_payload: << {{.MaxPayload}}MB >>
    00$include: ../nats-accounts/{{.Accounts}}

tlsCA: {enabled: true, secretName: nats-ca}

container:
  image: {tag: 2.15.2-alpine}     # erpstream needs 2.14 or newer
  env: {GOMEMLIMIT: 3GiB}         # under the limit, so that the collector works before the kernel does
  resources:
    requests: {cpu: "1", memory: 4Gi}
    limits: {memory: 4Gi}
  {{restricted 2}}
  patch:
    - op: add
      path: /volumeMounts/-
      value: {name: nats-accounts, mountPath: /etc/nats-accounts, readOnly: true}

reloader:                         # has the server read its accounts and certificates again when they change
  enabled: true
  {{restricted 2}}

promExporter:
  enabled: true
  podMonitor: {enabled: false}    # true where the Prometheus operator is
  {{restricted 2}}

podTemplate:
  topologySpreadConstraints:
    topology.kubernetes.io/zone: {maxSkew: 1, whenUnsatisfiable: DoNotSchedule}
    kubernetes.io/hostname: {maxSkew: 1, whenUnsatisfiable: DoNotSchedule}
  merge:
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        seccompProfile: {type: RuntimeDefault}
  patch:
    - op: add
      path: /spec/volumes/-
      value: {name: nats-accounts, secret: {secretName: nats-accounts}}

podDisruptionBudget:
  enabled: true
  merge: {spec: {maxUnavailable: 1}}   # two of three keep the streams

natsBox: {enabled: false}         # erpstream has what operators need
`))
