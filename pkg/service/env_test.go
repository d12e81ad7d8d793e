package service

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEnvDefaults(t *testing.T) {
	env := NewEnv(func(string) string { return "" })
	if got := env.String("SHOP", "main", ""); got != "main" {
		t.Errorf("String = %q", got)
	}
	if got := env.Int("COUNT", 7, ""); got != 7 {
		t.Errorf("Int = %d", got)
	}
	if got := env.Bool("DRY", true, ""); !got {
		t.Errorf("Bool = %v", got)
	}
	if got := env.Duration("EVERY", time.Minute, ""); got != time.Minute {
		t.Errorf("Duration = %s", got)
	}
	if err := env.Err(); err != nil {
		t.Errorf("Err = %v", err)
	}
}

func TestEnvFlagWinsOverEnvironment(t *testing.T) {
	env := NewEnv(lookup("SHOP=env", "COUNT=1", "OTHER=env"))
	env.flags = map[string]string{"SHOP": "flag", "COUNT": "2", "EMPTY": ""}
	if got := env.String("SHOP", "", ""); got != "flag" {
		t.Errorf("SHOP = %q", got)
	}
	if got := env.Int("COUNT", 0, ""); got != 2 {
		t.Errorf("COUNT = %d", got)
	}
	if got := env.String("OTHER", "", ""); got != "env" {
		t.Errorf("OTHER = %q", got)
	}
	if got := env.String("EMPTY", "default", ""); got != "" {
		t.Errorf("EMPTY = %q: a flag can empty a variable", got)
	}
}

func TestEnvNamesAllFaults(t *testing.T) {
	env := NewEnv(lookup("COUNT=many", "DRY=perhaps", "EVERY=5"))
	env.Required("SHOP", "the shop to read")
	env.Int("COUNT", 1, "")
	env.Bool("DRY", false, "")
	env.Duration("EVERY", time.Second, "")
	env.Fault("PARTITION", errors.New("is not between 0 and 63"))
	env.Fault("FINE", nil)
	want := strings.Join([]string{
		"SHOP (--shop) is not set: the shop to read",
		`COUNT (--count) is "many", not a whole number`,
		`DRY (--dry) is "perhaps", not true or false`,
		`EVERY (--every) is "5", not a duration such as 30s or 5m`,
		"PARTITION (--partition) is not between 0 and 63",
	}, "\n")
	if got := env.Err(); got == nil || got.Error() != want {
		t.Errorf("Err =\n%v\nwant\n%s", got, want)
	}
}

func TestParseFlags(t *testing.T) {
	vars := []variable{{name: "NATS_URL"}, {name: "DRY", toggle: true}}
	a, err := parseFlags("x", []string{"--nats-url", "nats://a", "--dry"}, vars)
	if err != nil || a.values["NATS_URL"] != "nats://a" || a.values["DRY"] != "true" {
		t.Errorf("parseFlags = %v, %v", a, err)
	}
	for _, args := range [][]string{{"--nats-ulr", "x"}, {"--dry", "stray"}, {"--nats-url"}} {
		if _, err := parseFlags("x", args, vars); err == nil {
			t.Errorf("parseFlags(%q) found no fault", args)
		}
	}
}

func TestHelpOfServiceWithoutVariables(t *testing.T) {
	var b strings.Builder
	if err := help(&b, "x", "v1", nil, []variable{{name: "A_B", fallback: "c", help: "d"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "Variables of x") || !strings.Contains(b.String(), "--a-b") {
		t.Error(b.String())
	}
}

func TestSettingsFaults(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		want []string // empty: no fault
	}{
		{"defaults", nil, nil},
		{"list without scheme", []string{"NATS_URL=a:4222, tls://b"}, nil},
		{"url", []string{"NATS_URL=nats://u:pw-of-u@[::"}, []string{"NATS_URL (--nats-url) holds an entry"}},
		{"files", []string{"NATS_CREDS=/none/a", "NATS_CA=/none/b"}, []string{"NATS_CREDS (--nats-creds)", "NATS_CA (--nats-ca)", "/none/b"}},
		{"cert alone", []string{"NATS_CERT=/none/a"}, []string{"NATS_CERT (--nats-cert) and NATS_KEY are set both"}},
		{"no cert", []string{"NATS_CERT=settings.go", "NATS_KEY=settings.go"}, []string{"NATS_CERT (--nats-cert) can't be used"}},
		{"no authority", []string{"NATS_CA=settings.go"}, []string{"NATS_CA (--nats-ca) can't be used"}},
		{"user alone", []string{"NATS_USER=a"}, []string{"NATS_USER (--nats-user) and NATS_PASSWORD_FILE"}},
		{"two identities", []string{"NATS_USER=a", "NATS_PASSWORD_FILE=env.go", "NATS_CREDS=env.go"}, []string{"NATS_USER (--nats-user) and NATS_CREDS are both set"}},
		{"listen", []string{"LISTEN=8080"}, []string{`LISTEN (--listen) is "8080"`}},
		{"level", []string{"LOG_LEVEL=loud"}, []string{`LOG_LEVEL (--log-level) is "loud"`}},
		{"grace", []string{"GRACE=0s"}, []string{"GRACE (--grace) is 0s"}},
		{"exporter", []string{"OTEL_TRACES_EXPORTER=zipkin"}, []string{`OTEL_TRACES_EXPORTER is "zipkin", not one of otlp, none`}},
		{"protocol", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, []string{"only http/protobuf"}},
		{"scraped", []string{"OTEL_METRICS_EXPORTER=prometheus"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := NewEnv(lookup(tt.env...))
			readSettings(env)
			err := env.Err()
			if (err != nil) != (len(tt.want) > 0) {
				t.Fatalf("Err = %v, want %q", err, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Err = %v, want %q in it", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "pw-of-u") {
				t.Errorf("Err shows a password: %v", err)
			}
		})
	}
}

func TestOTLPFollowsTheEnvironment(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	tests := []struct {
		env  []string
		want otlpSettings
	}{
		{nil, otlpSettings{}},
		{[]string{endpoint}, otlpSettings{traces: true, metrics: true}},
		{[]string{endpoint, "OTEL_METRICS_EXPORTER=none"}, otlpSettings{traces: true}},
		{[]string{endpoint, "OTEL_SDK_DISABLED=true"}, otlpSettings{}},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/v1/traces"}, otlpSettings{traces: true}},
		{[]string{"OTEL_TRACES_EXPORTER=otlp"}, otlpSettings{traces: true}},
	}
	for _, tt := range tests {
		if got := readOTLP(NewEnv(lookup(tt.env...))); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.env, got, tt.want)
		}
	}
}

func TestCredentialsAreNeverShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := "9021" + rapid.StringMatching(`[a-zA-Z0-9:@/?#%]{4,20}`).Draw(t, "password")
		shown, err := withoutCredentials("nats://user:" + password + "@host:4222")
		if err != nil {
			shown = err.Error()
		}
		if strings.Contains(shown, "9021") {
			t.Fatalf("shown: %s", shown)
		}
	})
}

func TestExplainSaysEachFaultOnce(t *testing.T) {
	var b strings.Builder
	explain(&b, "x", errors.Join(errors.New("A"), errors.New("B"), errors.New("A")))
	if got := b.String(); !strings.HasPrefix(got, "x: bad configuration:\n  A\n  B\nRun x --help") {
		t.Error(got)
	}
	explain(io.Discard, "x", errors.New("A"))
}

// lookup is a getenv of NAME=value pairs.
func lookup(pairs ...string) func(string) string {
	m := map[string]string{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		m[name] = value
	}
	return func(name string) string { return m[name] }
}
