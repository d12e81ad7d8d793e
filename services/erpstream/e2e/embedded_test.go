package e2e

import (
	"strings"
	"testing"
)

func TestTheEmbeddedDatabaseIsFilledAgain(t *testing.T) {
	h := &house{t: t, data: t.TempDir(), dsn: "embedded", only: purchases}
	first := h.untilIdle(nil, "--records", "60")
	h.balanced(first)
	if first.flow.Delivered != 60 {
		t.Errorf("account %+v, want 60 delivered", first.flow)
	}
	// Nothing of it is left; a second run has it all again, and counts nothing twice.
	l := h.live()
	for _, line := range lines(l.stderr.String(), `"msg":"up"`) {
		_, rest, _ := strings.Cut(line, `"mysql":"mysql -h 127.0.0.1 -P `)
		port, _, _ := strings.Cut(rest, " ")
		l.dsn = "root@tcp(127.0.0.1:" + port + ")/erpstream"
	}
	l.hasDocuments(60)
	var held struct {
		Datas documents `json:"datas"`
	}
	getJSON(t, l.sandbox+purchaseIn.page, &held)
	l.compareRows(purchaseIn, held.Datas)
}
