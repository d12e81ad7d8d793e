package faults

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnAnswerIsCutWithin(t *testing.T) {
	answer := strings.Repeat("0123456789", 1000)
	for _, test := range []struct {
		struck Struck
		status int
		want   int
		cut    bool
	}{
		{Struck{}, http.StatusOK, 10_000, false},
		{Struck{CutWithin: {}}, http.StatusOK, 5000, true},
		{Struck{CutWithin: {}}, http.StatusUnauthorized, 5000, true},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w = test.struck.Within(w)
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, answer)
		}))
		t.Cleanup(srv.Close)
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || len(got) != test.want || (err != nil) != test.cut {
			t.Errorf("%v: status %d, %d bytes, %v", test.struck, resp.StatusCode, len(got), err)
		}
	}
}
