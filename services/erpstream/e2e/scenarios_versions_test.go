package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/seam"
)

// killedAtSeams kills services exactly between two steps, in programs that are built for it.
func killedAtSeams() scenario {
	return scenario{
		name: "killed at seams", prepare: (*ordeal).armed, strikes: 100,
		args: []string{"--edits", "240"},
		// Each is needed to reach some of the seams.
		sandbox: []string{
			"--xingchen-lost-replies=0.02", "--kis-lost-replies=0.02", "--late-share=0.1", "--late-after=8s", poisonShare + "=0.02",
			"--kingdee-token-calls=0", "--fault=xingchen:expire_token=0.002", "--fault=jushuitan:expire_token=0.005", "--fault=kis:expire_token=0.003",
		},
		least: 200 * time.Millisecond, most: 300 * time.Millisecond,
		strike:  (*ordeal).arm,
		verdict: (*ordeal).withoutPoison,
	}
}

// deaths are those that are armed: files that a service removes as it dies.
type deaths struct {
	folder string
	// next are still to be armed, armed are there by file.
	next  []death
	armed map[string]death
	hit   map[death]int
}

// death is a service at a seam.
type death struct {
	seam    seam.Name
	service string
}

// armedAtOnce is how many deaths wait at the same time.
const armedAtOnce = 8

// armed builds the programs that can die at seams and gives them a folder to look into.
func (o *ordeal) armed() {
	o.programs = filepath.Join(filepath.Dir(binaries), "chaos")
	if err := build(o.programs, "-tags", "chaos"); err != nil {
		o.t.Fatal(err)
	}
	o.deaths = &deaths{folder: o.t.TempDir(), armed: map[string]death{}, hit: map[death]int{}}
	o.env = append(o.env, "ERPSTREAM_SEAMS="+o.deaths.folder)
	for _, s := range seam.All() {
		for _, service := range s.Services {
			o.deaths.next = append(o.deaths.next, death{s.Name, service})
		}
	}
	o.dice.Shuffle(len(o.deaths.next), func(i, j int) {
		o.deaths.next[i], o.deaths.next[j] = o.deaths.next[j], o.deaths.next[i]
	})
}

// arm counts the deaths since the last time and puts others in their place. One that nobody dies of
// stays, and lets the others come in turn.
func (o *ordeal) arm() {
	d := o.deaths
	for file, x := range d.armed {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		delete(d.armed, file)
		d.hit[x]++
		o.t.Logf("%s died at %s", x.service, x.seam)
		o.kills++
		o.hit(x.service)
	}
	if o.turn%25 == 5 {
		o.replay()
	}
	if o.turn++; o.turn%10 == 0 { // those that nothing leads to make room
		for file, x := range d.armed {
			if os.Remove(file) == nil {
				delete(d.armed, file)
				d.next = append(d.next, x)
			}
		}
	}
	for len(d.armed) < armedAtOnce && len(d.next) > 0 {
		x := d.next[0]
		d.next = append(d.next[1:], x)
		file := filepath.Join(d.folder, string(x.seam)+"."+x.service)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			o.t.Fatal(err)
		}
		d.armed[file] = x
	}
}

// replay asks for the past of two flows once more.
func (o *ordeal) replay() {
	for _, name := range []string{"jst-purchasein-to-mysql", "wdt-stockgain-to-kingdee"} {
		cmd := exec.CommandContext(o.t.Context(), filepath.Join(binaries, "erpstream"), "flow", "replay", name, "--nats", o.cluster.URL(), "--from", "720h", "--rate", "500", "--detach")
		if out, err := cmd.CombinedOutput(); err != nil {
			o.t.Errorf("replay: %v\n%s", err, out)
		}
	}
}

// versions applies two versions of two flows in turn while records are mapped.
func versions() scenario {
	return scenario{
		name: "flows changed", strikes: 6, args: []string{"--edits", "200"}, least: 2 * time.Second, most: 3 * time.Second,
		strike:  (*ordeal).change,
		verdict: (*ordeal).eitherVersion,
	}
}

// changed is what the second version of the flows says of every document.
const changed = "v2"

// change applies the other version.
func (o *ordeal) change() {
	o.turn++
	remark := "remark: record.remark"
	if o.turn%2 == 1 {
		remark = `remark: '"` + changed + `"'`
	}
	folder := o.t.TempDir()
	for _, name := range []string{"jst-purchasein-to-mysql.yaml", "wdt-refund-to-mysql.yaml"} {
		text, err := os.ReadFile(filepath.Join(config, "flows", name))
		if err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), replaced(o.t, text, "remark: record.remark", remark), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(o.t.Context(), filepath.Join(binaries, "erpstream"), "apply", "--nats", o.cluster.URL(), folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		o.t.Errorf("apply: %v\n%s", err, out)
	}
	o.changed = time.Now()
	o.hit("transformer")
}

// settled is after how long every record is mapped by the version that was applied.
const settled = 5 * time.Second

// eitherVersion takes the remark of both versions for right, except of documents that were edited
// after the last change: those have it.
func (o *ordeal) eitherVersion() *verdict {
	v := &verdict{}
	held := o.held(bookPages...)
	for _, tab := range []table{purchaseIn, refunds} {
		want, got := tab.expected(o.t, held[tab.page]), tab.stored(o.t, o.dsn)
		remark, modified := tab.column("remark"), tab.column("modified")
		for id, g := range got {
			w, ok := want[id]
			if !ok {
				continue
			}
			edited, err := time.ParseInLocation(time.DateTime, w[modified], shanghai)
			after := err == nil && edited.After(o.changed.Add(settled))
			if after && o.turn%2 == 1 || !after && g[remark] == changed {
				w[remark] = changed
			}
		}
		v.compare(o.t, tab.name, tab.names(), want, got)
	}
	v.customers(o.t, held)
	v.gains(o.t, held)
	v.receipts(o.t, held)
	return v
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// column returns the place of a column.
func (tab table) column(name string) int { return slices.Index(tab.names(), name) }

// everything is all of it at once.
func everything() scenario {
	return scenario{
		name: "everything at once", prepare: (*ordeal).ownDatabase, strikes: 15,
		args: []string{"--edits", "120"},
		sandbox: []string{
			"--xingchen-lost-replies=0.03", "--kis-lost-replies=0.03", "--late-commits=20", "--late-by=2s", "--late-share=0.1", "--late-after=10s",
			"--fault=jushuitan:rate_limit=0.02", "--fault=wangdiantong:rate_limit=0.02", "--fault=kis:cut_within=0.01", "--kingdee-token-calls=0",
		},
		least: 500 * time.Millisecond, most: time.Second,
		strike: func(o *ordeal) {
			switch o.dice.IntN(12) {
			case 0:
				o.killLeader(oneOf(o, streams))
			case 1:
				o.db.cut(o)
			case 2:
				o.db.tear(o)
			case 3:
				o.db.kill(o)
			case 4:
				o.order("gateway/rotate", fmt.Sprintf(`{"system":%q}`, oneOf(o, []string{"xingchen", "kis"})))
				o.hit("sink-kingdee")
			default:
				o.killed(oneOf(o, o.services()))
			}
		},
	}
}
