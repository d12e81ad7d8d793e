package service

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/login"
)

// settings is what every service is told, whatever it does.
type settings struct {
	nats       natsSettings
	otlp       otlpSettings
	secretsDir string
	listen     string
	pprof      bool
	level      slog.Level
	grace      time.Duration
	instance   string
}

type natsSettings struct {
	login.Login
	url   string
	shown string // url without credentials
}

// otlpSettings says which signals are pushed; where to is read by the exporters themselves.
type otlpSettings struct{ traces, metrics bool }

func readSettings(env *Env) settings {
	return settings{
		nats:       readNATS(env),
		otlp:       readOTLP(env),
		secretsDir: env.String("SECRETS_DIR", "./secrets", "secrets are the files <dir>/<connection>/<field>"),
		listen:     readListen(env),
		pprof:      env.Bool("PPROF", false, "serve /debug/pprof/ on LISTEN, to this machine alone"),
		level:      readLevel(env),
		grace:      readGrace(env),
		instance:   env.String("POD_NAME", hostPID(), "this instance, in logs, metrics and on NATS"),
	}
}

func readNATS(env *Env) natsSettings {
	n := natsSettings{url: env.String("NATS_URL", "nats://127.0.0.1:4222", "NATS servers, separated by commas; tls:// refuses one without TLS")}
	for _, setting := range login.Settings() {
		*setting.Value(&n.Login) = env.String(setting.Name, "", setting.Help)
	}
	for _, fault := range n.Faults() {
		env.Fault(fault.Name, fault.Err)
	}
	shown, err := withoutCredentials(n.url)
	env.Fault("NATS_URL", err)
	n.shown = shown
	return n
}

func readListen(env *Env) string {
	listen := env.String("LISTEN", "", "address of /healthz, /readyz and /metrics, such as :8080; empty: none")
	if listen == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		env.Fault("LISTEN", fmt.Errorf("is %q, not host:port or :port", listen))
	}
	return listen
}

func readLevel(env *Env) (level slog.Level) {
	text := env.String("LOG_LEVEL", "info", "debug, info, warn or error")
	if err := level.UnmarshalText([]byte(text)); err != nil {
		env.Fault("LOG_LEVEL", fmt.Errorf("is %q, not debug, info, warn or error", text))
	}
	return level
}

func readGrace(env *Env) time.Duration {
	grace := env.Duration("GRACE", 20*time.Second, "time to finish the work in hand when told to stop; then up to 7s for closing")
	if grace <= 0 {
		env.Fault("GRACE", fmt.Errorf("is %s, not more than 0", grace))
	}
	return grace
}

func readOTLP(env *Env) otlpSettings {
	if strings.EqualFold(env.getenv("OTEL_SDK_DISABLED"), "true") {
		return otlpSettings{}
	}
	return otlpSettings{traces: pushed(env, "TRACES", "otlp, none"), metrics: pushed(env, "METRICS", "otlp, prometheus, none")}
}

// pushed reports whether a signal goes out over OTLP, by the rules of OpenTelemetry's environment.
func pushed(env *Env, signal, choices string) bool {
	endpoint := env.getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") + env.getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	exporter := env.getenv("OTEL_" + signal + "_EXPORTER")
	on := exporter == "otlp" || exporter == "" && endpoint != ""
	if exporter != "" && !strings.Contains(", "+choices+",", ", "+exporter+",") {
		env.faults = append(env.faults, fmt.Errorf("OTEL_%s_EXPORTER is %q, not one of %s", signal, exporter, choices))
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := env.getenv(name); on && p != "" && p != "http/protobuf" {
			env.faults = append(env.faults, fmt.Errorf("%s is %q: only http/protobuf is built in", name, p))
		}
	}
	return on
}

// withoutCredentials returns a list of NATS URLs without users and passwords. The error does not
// repeat the value, which may hold a password; one with a slash that was not escaped is an error.
func withoutCredentials(urls string) (string, error) {
	var shown []string
	for raw := range strings.SplitSeq(urls, ",") {
		raw = strings.TrimSpace(raw)
		if !strings.Contains(raw, "://") {
			raw = "nats://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
			return "", errors.New("holds an entry that is no URL like nats://host:4222")
		}
		shown = append(shown, u.Scheme+"://"+u.Host)
	}
	return strings.Join(shown, ","), nil
}

// hostPID names a process that runs outside of Kubernetes.
func hostPID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}
