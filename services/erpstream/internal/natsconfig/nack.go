package natsconfig

import (
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

const nackHead = `# The streams and buckets of erpstream as resources of NACK (jetstream.nats.io/v1beta2, 0.22 or newer, with
# --control-loop), made by ` + "`erpstream nats-config nack`" + `. NACK is then their owner: don't run provision beside
# it but to look (--plan).
#
# Buckets are Streams here and not KeyValues, which can't say duplicateWindow, allowMsgTtl and
# allowAtomicPublish. Of what NACK can't say (allow_batched, the server's newer settings) erpstream uses nothing.
# preventDelete keeps the records when a resource is deleted.
`

// Nack writes all streams and buckets as Kubernetes resources for NACK, with that many replicas each.
func Nack(to io.Writer, replicas int) error {
	var b strings.Builder
	b.WriteString(nackHead)
	for _, config := range topology.Streams(replicas) {
		text, err := yaml.MarshalWithOptions(nackStream(config), yaml.IndentSequence(true))
		if err != nil {
			return fmt.Errorf("write stream %s: %w", config.Name, err)
		}
		b.WriteString("---\n" + string(text))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// stream is the resource Stream, as far as our streams need it.
type stream struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec streamSpec `yaml:"spec"`
}

type streamSpec struct {
	Name               string         `yaml:"name"`
	Description        string         `yaml:"description"`
	Subjects           []string       `yaml:"subjects,omitempty"`
	Sources            []streamSource `yaml:"sources,omitempty"`
	Retention          string         `yaml:"retention"`
	Storage            string         `yaml:"storage"`
	Replicas           int            `yaml:"replicas"`
	Discard            string         `yaml:"discard"`
	MaxAge             string         `yaml:"maxAge"`
	MaxMsgsPerSubject  int64          `yaml:"maxMsgsPerSubject,omitempty"`
	MaxConsumers       int            `yaml:"maxConsumers,omitempty"`
	DuplicateWindow    string         `yaml:"duplicateWindow"`
	DenyDelete         bool           `yaml:"denyDelete,omitempty"`
	AllowDirect        bool           `yaml:"allowDirect,omitempty"`
	AllowRollup        bool           `yaml:"allowRollup,omitempty"`
	AllowMsgTTL        bool           `yaml:"allowMsgTtl,omitempty"`
	AllowAtomicPublish bool           `yaml:"allowAtomicPublish,omitempty"`
	AllowMsgSchedules  bool           `yaml:"allowMsgSchedules,omitempty"`
	PreventDelete      bool           `yaml:"preventDelete"`
}

type streamSource struct {
	Name          string `yaml:"name"`
	FilterSubject string `yaml:"filterSubject,omitempty"`
}

func nackStream(c jetstream.StreamConfig) stream {
	s := stream{APIVersion: "jetstream.nats.io/v1beta2", Kind: "Stream"}
	s.Metadata.Name = strings.ToLower(strings.ReplaceAll(c.Name, "_", "-"))
	s.Spec = streamSpec{
		Name: c.Name, Description: c.Description, Subjects: c.Subjects,
		Retention: strings.ToLower(c.Retention.String()), Storage: strings.ToLower(c.Storage.String()), Replicas: c.Replicas,
		Discard: map[jetstream.DiscardPolicy]string{jetstream.DiscardOld: "old", jetstream.DiscardNew: "new"}[c.Discard],
		// No age is said, too: where a resource leaves it out, NACK makes a stream that forgets after a year.
		MaxAge: c.MaxAge.String(), MaxMsgsPerSubject: c.MaxMsgsPerSubject, MaxConsumers: c.MaxConsumers, DuplicateWindow: c.Duplicates.String(),
		DenyDelete: c.DenyDelete, AllowDirect: c.AllowDirect, AllowRollup: c.AllowRollup, AllowMsgTTL: c.AllowMsgTTL,
		AllowAtomicPublish: c.AllowAtomicPublish, AllowMsgSchedules: c.AllowMsgSchedules, PreventDelete: true,
	}
	for _, source := range c.Sources {
		s.Spec.Sources = append(s.Spec.Sources, streamSource{source.Name, source.FilterSubject})
	}
	return s
}
