package e2e

import (
	"fmt"
	"strings"
	"time"
)

// lostReplies cuts the connection after one save in twenty was stored at either finance system.
func lostReplies() scenario {
	return scenario{
		name:    "replies lost",
		sandbox: []string{"--xingchen-lost-replies=0.05", "--kis-lost-replies=0.05"},
	}
}

// shiftingRows edits documents after each page that is read, lets edits be seen only a settle time
// after the time that they bear, and sets the vendors' clocks wrong by two minutes.
func shiftingRows(ahead bool) scenario {
	name, offset := "rows shifting, clocks behind", -2*time.Minute
	if ahead {
		name, offset = "rows shifting, clocks ahead", 2*time.Minute
	}
	return scenario{
		name: name, args: []string{"--edit-rate", "0"},
		sandbox: []string{
			"--edit-on-page=3", "--late-commits=20", "--late-by=2s", "--clock-offset=" + offset.String(), "--wdt-flagship-clock-skew=5m",
		},
		least: 300 * time.Millisecond, most: 500 * time.Millisecond,
		strike: func(o *ordeal) { o.countMoved() },
	}
}

// countMoved counts rows that moved under a reader since the last time.
func (o *ordeal) countMoved() {
	now := o.watch.seen().moved
	o.hits += now - o.moved
	o.moved = now
}

// poison has one document in a thousand that can't be mapped, or that its target refuses: it must be
// dead, and all others arrive.
func poison() scenario {
	return scenario{
		name: "poison", args: []string{"--records", "3000"}, sandbox: []string{poisonShare + "=0.001"},
		least: 300 * time.Millisecond, most: 500 * time.Millisecond,
		verdict: (*ordeal).withoutPoison,
	}
}

// poisonShare is an argument of the sandbox.
const poisonShare = "--poison-share"

// keys are the fields that name a document of each feed.
var keys = map[string]string{
	"jushuitan/purchasein": "io_id", "jushuitan/otherin": "io_id", "jushuitan/shops": "shop_id",
	"wangdiantong/stockin": "stockin_id", "wangdiantong/refund": "refund_id",
}

// withoutPoison compares but for the documents that can arrive nowhere, which it counts.
func (o *ordeal) withoutPoison() *verdict {
	held := o.held(append([]string{"jushuitan/poison", "wangdiantong/poison"}, bookPages...)...)
	for _, vendor := range []string{"jushuitan", "wangdiantong"} {
		for _, p := range held[vendor+"/poison"] {
			page := vendor + "/" + fmt.Sprint(p["feed"])
			kept := documents{}
			for _, doc := range held[page] {
				if fmt.Sprint(doc[keys[page]]) != fmt.Sprint(p["key"]) {
					kept = append(kept, doc)
				}
			}
			o.hits += len(held[page]) - len(kept)
			held[page] = kept
		}
	}
	return o.judge(held)
}

// limited refuses calls as too many, lets tokens end and rotates the secrets of both finance systems.
func limited() scenario {
	var faults []string
	for _, fault := range []string{
		"jushuitan:rate_limit=0.03", "jushuitan:expire_token=0.01", "wangdiantong:rate_limit=0.03", "xingchen:rate_limit=0.01", "kis:rate_limit=0.01",
		"xingchen:expire_token=0.005",
	} {
		faults = append(faults, "--fault="+fault)
	}
	return scenario{
		name: "limits and tokens", sandbox: append(faults, "--kingdee-token-calls=0"),
		least: 3 * time.Second, most: 6 * time.Second, strikes: 4,
		strike: func(o *ordeal) {
			system, sink, _ := strings.Cut(oneOf(o, []string{"xingchen sink-kingdee", "kis sink-kis"}), " ")
			o.order("gateway/rotate", fmt.Sprintf(`{"system":%q}`, system))
			o.hit(sink)
		},
	}
}
