package e2e

import (
	"os"
	"testing"
	"time"
)

// forms are the ways to run the campaign.
func forms(t *testing.T) map[string]form {
	every := []scenario{
		killed(), killedAtSeams(), lostReplies(), shiftingRows(true), shiftingRows(false), databaseTroubled(), poison(), limited(),
		natsTroubled(still), versions(), everything(),
	}
	if os.Geteuid() == 0 {
		every = append(every, powerCut())
	} else {
		t.Log("left out: power cut, which mounts a file system and takes root")
	}
	return map[string]form{
		"short": {time.Minute, []scenario{killed()}},
		"once":  {0, every},
		"full":  {10 * time.Minute, every},
		"long":  {time.Hour, every},
	}
}

// killed kills each service at random.
func killed() scenario {
	return scenario{
		name: "services killed", least: 200 * time.Millisecond, most: 600 * time.Millisecond, strikes: 20,
		strike: func(o *ordeal) { o.killed(oneOf(o, o.services())) },
	}
}
